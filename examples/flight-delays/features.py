"""Makes the columns the models learn from, and splits by time: January to September, then the rest."""

import pandas as pd

from flights import LABEL, NUMBERS, WORDS, read_table, write_table

table = read_table("flights/2013.parquet")
table = table[table.arr_delay.notna()].copy()  # a cancelled flight never arrived

table["sched_hour"] = table.hour
table["sched_minute"] = table.minute
table["sched_arr_hour"] = table.sched_arr_time // 100
table["weekday"] = pd.to_datetime(table[["year", "month", "day"]]).dt.day_of_week
table["plane_age"] = table.year - table.built
table[NUMBERS] = table[NUMBERS].astype("float32")
table[WORDS] = table[WORDS].astype(object).fillna("unknown")
table[LABEL] = (table.arr_delay > 15).astype("int64")

columns = ["month", *NUMBERS, *WORDS, LABEL]
write_table(table.loc[table.month <= 9, columns], "flights/train.parquet")
write_table(table.loc[table.month > 9, columns], "flights/heldout.parquet")

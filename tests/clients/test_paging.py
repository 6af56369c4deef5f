"""Pages of every search through the real mlflow client: whole, in order, unmoved by rows that come and go."""

import math
import os

import mlflow
import pytest
import requests
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

API = "/api/2.0/mlflow/"


@pytest.fixture
def mark():
    """A word no other test uses."""
    return f"paging-{os.urandom(4).hex()}"


@pytest.fixture
def experiment(mlflow_client, mark):
    return mlflow_client.create_experiment(mark)


def pages(search, size, between=lambda seen: None):
    """Everything a search answers, page by page; `between` is done before each page but the first."""
    seen, token = [], None
    while True:
        page = search(max_results=size, page_token=token)
        assert len(page) <= size
        seen += page
        token = page.token
        if not token:
            return seen
        assert len(page) == size
        between(seen)


def refused(call, words):
    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE", caught.value
    assert words in str(caught.value), caught.value


@pytest.fixture
def runs(mlflow_client, experiment):
    """Runs with ties in their start, of which some lack the metric, the param and an end."""
    values = [0.5, math.nan, math.inf, -math.inf, 0.5, None, 2.5]
    made = []
    for i in range(14):
        run_id = mlflow_client.create_run(experiment, start_time=1000 + i % 3, run_name=f"r{i % 4}").info.run_id
        if values[i % 7] is not None:
            mlflow_client.log_metric(run_id, "m", values[i % 7])
        if i % 3:
            mlflow_client.log_param(run_id, "p", f"v{i % 2}")
        if i % 2:
            mlflow_client.set_terminated(run_id, end_time=2000 + i % 5)
        made.append(run_id)
    return made


ORDERS = [
    None,
    ["start_time ASC"],
    ["end_time DESC"],
    ["metrics.m ASC"],
    ["metrics.m DESC"],
    ["params.p DESC", "run_name"],
    ["tags.none", "run_id DESC"],
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_runs_in_every_order(mlflow_client, experiment, runs, order):
    def ids(found):
        return [run.info.run_id for run in found]

    def search(**page):
        return mlflow_client.search_runs([experiment], "attributes.status != 'FAILED'", order_by=order, **page)

    whole = ids(search())
    assert sorted(whole) == sorted(runs)
    for size in [1, 5, 13]:
        assert ids(pages(search, size)) == whole

    late = []

    def come_and_go(seen):
        late.append(mlflow_client.create_run(experiment, start_time=1001).info.run_id)
        mlflow_client.delete_run(seen[-1].info.run_id)

    assert [run for run in ids(pages(search, 3, come_and_go)) if run not in late] == whole


def test_a_history_while_it_grows(mlflow_client, server, experiment):
    run_id = mlflow_client.create_run(experiment).info.run_id
    for part in range(80):
        points = [Metric("m", part * 10 + i, 5000 + part * 10 + i, part * 10 + i) for i in range(10)]
        mlflow_client.log_batch(run_id, points)
    asked = {"run_id": run_id, "metric_key": "m", "max_results": 150}
    seen = []
    while True:
        answer = requests.get(server.http_url + API + "metrics/get-history", asked, auth=server.auth, timeout=30)
        assert answer.ok, answer.text
        seen += [point["step"] for point in answer.json()["metrics"]]
        asked["page_token"] = answer.json().get("next_page_token")
        if not asked["page_token"]:
            break
        # What is earlier than the page shifts nothing.
        mlflow_client.log_metric(run_id, "m", 0.0, timestamp=len(seen), step=-1)
    assert seen == list(range(800))
    assert len(mlflow_client.get_metric_history(run_id, "m")) == 805


def test_experiments_models_versions_and_traces(mlflow_client, experiment, mark):
    for i in range(6):
        mlflow_client.create_experiment(f"{mark}-{i}")
        mlflow_client.create_logged_model(experiment, name=f"m{i}")
        mlflow_client.create_registered_model(f"{mark}-{i}")
        mlflow_client.create_model_version(f"{mark}-0", source=f"s3://bucket/{i}")
        span = mlflow_client.start_trace(f"t{i}", experiment_id=experiment)
        mlflow_client.end_trace(span.trace_id)
    mlflow.flush_trace_async_logging()
    mine = f"name LIKE '{mark}-%'"

    def experiments(**page):
        return mlflow_client.search_experiments(filter_string=mine, order_by=["last_update_time"], **page)

    def models(**page):
        return mlflow_client.search_registered_models(mine, order_by=["name DESC"], **page)

    def versions(**page):
        return mlflow_client.search_model_versions(f"name = '{mark}-0'", **page)

    def logged(**page):
        return mlflow_client.search_logged_models([experiment], order_by=[{"field_name": "metrics.none"}], **page)

    def traces(**page):
        return mlflow_client.search_traces(locations=[experiment], order_by=["tags.none"], **page)

    names = [f"{mark}-{i}" for i in range(6)]
    assert [it.name for it in pages(experiments, 4)] == names
    assert [int(it.version) for it in pages(versions, 4)] == [6, 5, 4, 3, 2, 1]
    assert [it.name for it in pages(logged, 4)] == [f"m{i}" for i in range(5, -1, -1)]
    assert [it.info.request_id for it in pages(traces, 4)] == [it.info.request_id for it in traces()]
    assert len(traces()) == 6
    # A model that goes once it was seen moves none of the others.
    assert [it.name for it in pages(models, 2, lambda seen: mlflow_client.delete_registered_model(seen[-1].name))] == names[::-1]


def test_a_token_is_good_for_its_own_query(mlflow_client, experiment, runs, mark):
    token = mlflow_client.search_runs([experiment], max_results=2).token

    def search(ids=(experiment,), filter_string="", **more):
        return mlflow_client.search_runs(list(ids), filter_string, page_token=token, **more)

    assert len(search(max_results=5)) == 5
    other = mlflow_client.create_experiment(f"{mark}-other")
    refused(lambda: search([other]), "Experiment IDs in the page token do not match the requested experiment IDs")
    refused(lambda: search(filter_string="metrics.m > 1"), "Filter string in the page token does not match")
    refused(lambda: search(order_by=["run_name"]), "Order by in the page token does not match")
    refused(lambda: search(run_view_type=3), "Run view type in the page token does not match")
    refused(
        lambda: mlflow_client.search_experiments(page_token=token),
        "Invalid page token: it is of a search for runs, and this is one for experiments",
    )
    refused(lambda: mlflow_client.search_registered_models(page_token=token), "one for registered models")
    refused(lambda: mlflow_client.search_model_versions(page_token=token), "one for model versions")
    refused(lambda: mlflow_client.search_traces(locations=[experiment], page_token=token), "one for traces")
    for wrong in ["@@", "e30=", "bm90IGpzb24="]:
        refused(
            lambda wrong=wrong: mlflow_client.search_runs([experiment], page_token=wrong), "Invalid page token"
        )

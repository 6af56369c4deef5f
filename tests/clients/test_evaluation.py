"""Evaluation datasets, scorers and issues through the real mlflow client."""

import json
import os

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.genai import datasets
from mlflow.genai.judges import make_judge
from mlflow.genai.scorers import list_scorers


@pytest.fixture
def experiment(mlflow_client, request):
    return mlflow_client.create_experiment(f"{request.node.name}-{os.urandom(4).hex()}")


def refused(call, code, words):
    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == code, caught.value
    assert words in str(caught.value), caught.value


# --- datasets


def test_a_datasets_life(mlflow_client, experiment):
    made = datasets.create_dataset(name="qa", experiment_id=experiment, tags={"team": "lake"})
    assert made.dataset_id.startswith("d-")
    found = datasets.get_dataset(dataset_id=made.dataset_id)
    assert (found.name, found.experiment_ids, found.tags["team"]) == ("qa", [experiment], "lake")
    assert found.created_time == found.last_update_time > 0
    assert (found.schema, found.profile) == (None, None)

    datasets.set_dataset_tags(dataset_id=made.dataset_id, tags={"team": "shore", "stage": "draft"})
    datasets.delete_dataset_tag(dataset_id=made.dataset_id, key="stage")
    tags = datasets.get_dataset(dataset_id=made.dataset_id).tags
    assert tags["team"] == "shore" and "stage" not in tags

    datasets.delete_dataset(dataset_id=made.dataset_id)
    refused(lambda: datasets.get_dataset(dataset_id=made.dataset_id), "RESOURCE_DOES_NOT_EXIST", "not found")


def test_records_are_merged_by_their_inputs(mlflow_client, experiment):
    dataset = datasets.create_dataset(name="records", experiment_id=experiment)
    dataset.merge_records(
        [
            {"inputs": {"q": "one", "k": 3}, "expectations": {"a": 1}, "tags": {"t": "x"}},
            {"inputs": {"q": "two", "k": 3}, "outputs": {"answer": [1, {"deep": None}]}},
        ]
    )
    dataset.merge_records([{"inputs": {"k": 3, "q": "one"}, "expectations": {"b": 2}, "tags": {"u": "y"}}])
    found = mlflow_client.get_dataset(dataset.dataset_id)
    assert json.loads(found.profile) == {"num_records": 2}
    assert json.loads(found.schema)["inputs"] == {"q": "string", "k": "integer"}
    assert found.digest != dataset.digest or found.last_update_time == dataset.last_update_time

    one, two = found.records
    assert (one.inputs, one.expectations) == ({"q": "one", "k": 3}, {"a": 1, "b": 2})
    assert (one.tags["t"], one.tags["u"]) == ("x", "y")
    assert two.outputs == {"answer": [1, {"deep": None}]}

    assert found.delete_records([one.dataset_record_id, "dr-none"]) == 1
    left = mlflow_client.get_dataset(dataset.dataset_id)
    assert [record.inputs["q"] for record in left.records] == ["two"]
    assert json.loads(left.profile) == {"num_records": 1}


def test_a_record_keeps_the_trace_it_came_from(mlflow_client, experiment):
    dataset = datasets.create_dataset(name="sources", experiment_id=experiment)
    source = {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}}
    dataset.merge_records([{"inputs": {"q": 1}, "source": source}])
    record = mlflow_client.get_dataset(dataset.dataset_id).records[0]
    assert (record.source_type, record.source_id) == ("TRACE", "tr-1")
    assert record.source.source_data == {"trace_id": "tr-1"}


def test_records_come_in_pages_in_the_order_they_were_added(mlflow_client, experiment):
    dataset = datasets.create_dataset(name="pages", experiment_id=experiment)
    dataset.merge_records([{"inputs": {"n": n}} for n in range(25)])
    store = mlflow_client._tracking_client.store
    seen, token = [], None
    while True:
        page, token = store._load_dataset_records(dataset.dataset_id, max_results=10, page_token=token)
        assert len(page) <= 10
        seen += [record.inputs["n"] for record in page]
        if len(seen) == 10:  # what goes behind the reader's back moves nothing
            store.delete_dataset_records(dataset.dataset_id, [page[0].dataset_record_id])
        if token is None:
            break
    assert seen == list(range(25))


def test_datasets_are_searched(mlflow_client, experiment, request):
    other = mlflow_client.create_experiment(f"{request.node.name}-{os.urandom(4).hex()}")
    mark = os.urandom(4).hex()
    for name, experiments, team in [("a", [experiment], "x"), ("b", [experiment, other], "y"), ("c", [other], "x")]:
        datasets.create_dataset(name=f"{mark}-{name}", experiment_id=experiments, tags={"team": team})

    def names(**query):
        found = datasets.search_datasets(**query)
        return [dataset.name.removeprefix(f"{mark}-") for dataset in found]

    mine = f"name LIKE '{mark}-%'"
    assert names(filter_string=mine) == ["c", "b", "a"]
    assert names(filter_string=mine, order_by=["name ASC"]) == ["a", "b", "c"]
    assert names(filter_string=mine, experiment_ids=[experiment], order_by=["name"]) == ["a", "b"]
    assert names(filter_string=f"{mine} AND tags.team = 'x'", order_by=["name"]) == ["a", "c"]
    assert names(filter_string=mine, order_by=["name"], max_results=2) == ["a", "b"]
    first = mlflow_client.search_datasets(filter_string=mine, order_by=["name"], max_results=2)
    rest = mlflow_client.search_datasets(
        filter_string=mine, order_by=["name"], max_results=2, page_token=first.token
    )
    assert [dataset.name for dataset in rest] == [f"{mark}-c"] and not rest.token
    for wrong, words in [
        ("colour = 'x'", "Invalid attribute key 'colour'"),
        ("name > 'x'", "Invalid comparator for string attribute: >"),
        ("tag.x = 'y'", "Invalid identifier token 'tag'"),
    ]:
        refused(lambda: mlflow_client.search_datasets(filter_string=wrong), "INVALID_PARAMETER_VALUE", words)


def test_a_dataset_is_shared_between_experiments(mlflow_client, experiment, request):
    other = mlflow_client.create_experiment(f"{request.node.name}-{os.urandom(4).hex()}")
    made = datasets.create_dataset(name="shared", experiment_id=experiment)
    both = datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=[other, experiment])
    assert both.experiment_ids == [experiment, other]
    none = datasets.remove_dataset_from_experiments(
        dataset_id=made.dataset_id, experiment_ids=[other, experiment]
    )
    assert none.experiment_ids == []
    refused(
        lambda: datasets.add_dataset_to_experiments(dataset_id="d-none", experiment_ids=[other]),
        "RESOURCE_DOES_NOT_EXIST",
        "Dataset 'd-none' not found",
    )
    refused(
        lambda: datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=["987654321"]),
        "RESOURCE_DOES_NOT_EXIST",
        "No Experiment with id=987654321",
    )


@pytest.mark.parametrize(
    ("records", "words"),
    [("[", "'records'"), ("{}", "must be a list"), ("[1]", "[0] must be an object"), ('[{"inputs": 5}]', "'inputs'")],
)
def test_records_that_are_none_are_refused(server, api, mlflow_client, experiment, records, words):
    made = datasets.create_dataset(name="refused", experiment_id=experiment)
    url = f"{server.http_url}/api/3.0/mlflow/datasets/{made.dataset_id}/records"
    answer = api.request("POST", url, json={"records": records})
    assert answer.status_code == 400 and words in answer.json()["message"], answer.text
    assert mlflow_client.get_dataset(made.dataset_id).records == []


# --- scorers


def test_scorers_are_kept_in_versions(mlflow_client, experiment):
    judge = make_judge(name="polite", instructions="Is {{ outputs }} polite?", model="openai:/gpt-4o")
    judge.register(experiment_id=experiment)
    judge.register(experiment_id=experiment)
    assert [scorer.name for scorer in list_scorers(experiment_id=experiment)] == ["polite"]
    store = mlflow_client._tracking_client.store
    versions = store.list_scorer_versions(experiment, "polite")
    assert [version.scorer_version for version in versions] == [1, 2]
    assert len({version.scorer_id for version in versions}) == 1

    store.delete_scorer(experiment, "polite", version=1)
    refused(lambda: store.get_scorer(experiment, "polite", version=1), "RESOURCE_DOES_NOT_EXIST", "version 1 not found")
    assert store.get_scorer(experiment, "polite").scorer_version == 2
    refused(
        lambda: store.upsert_online_scoring_config(experiment, "polite", 0.5),
        "INVALID_PARAMETER_VALUE",
        "does not use a gateway model",
    )
    assert store.upsert_online_scoring_config(experiment, "polite", 0.0).sample_rate == 0.0
    store.delete_scorer(experiment, "polite")
    assert store.list_scorers(experiment) == []


# --- issues


def test_issues_are_opened_changed_and_found(server, api, experiment):
    def call(method, path, **body):
        answer = api.request(method, f"{server.http_url}/api/3.0/mlflow/issues{path}", json=body)
        return answer.status_code, answer.json()

    made = []
    for name, severity in [("slow", "low"), ("wrong", "high"), ("odd", None)]:
        body = {"experiment_id": experiment, "name": name, "description": "d", "root_causes": ["r"]}
        status, answer = call("POST", "", **body, **({"severity": severity} if severity else {}))
        assert status == 200, answer
        made.append(answer["issue"])
    assert made[0]["status"] == "pending" and made[0]["root_causes"] == ["r"]

    _, changed = call("PATCH", f"/{made[0]['issue_id']}", status="resolved", name="slower")
    assert (changed["issue"]["status"], changed["issue"]["name"]) == ("resolved", "slower")
    assert changed["issue"]["description"] == "d"

    _, page = call("POST", "/search", experiment_id=experiment, max_results=2)
    assert [issue["name"] for issue in page["issues"]] == ["wrong", "slower"]
    _, rest = call("POST", "/search", experiment_id=experiment, max_results=2, page_token=page["next_page_token"])
    assert [issue["name"] for issue in rest["issues"]] == ["odd"] and rest["next_page_token"] == ""
    _, open_ones = call("POST", "/search", experiment_id=experiment, filter_string="status != 'resolved'")
    assert {issue["name"] for issue in open_ones["issues"]} == {"wrong", "odd"}

    assert call("GET", "/iss-none")[1]["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    status, answer = call("POST", "", experiment_id=experiment, name="n", description="d", status="gone")
    assert (status, answer["error_code"]) == (400, "INVALID_PARAMETER_VALUE")

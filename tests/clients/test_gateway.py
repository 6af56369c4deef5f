"""The gateway's stored configuration through the real mlflow client; no model is ever asked."""

import os

import pytest
from mlflow.entities import (
    FallbackConfig,
    FallbackStrategy,
    GatewayEndpointModelConfig,
    GatewayEndpointTag,
    GatewayModelLinkageType,
    GatewayResourceType,
    RoutingStrategy,
)
from mlflow.exceptions import MlflowException
from mlflow.genai.judges import make_judge

PRIMARY, FALLBACK = GatewayModelLinkageType.PRIMARY, GatewayModelLinkageType.FALLBACK


@pytest.fixture
def store(mlflow_client):
    return mlflow_client._tracking_client.store


def unique(name):
    return f"{name}-{os.urandom(4).hex()}"


def refused(call, code, words):
    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == code, caught.value
    assert words in str(caught.value), caught.value


@pytest.fixture
def model(store):
    secret = store.create_gateway_secret(unique("key"), {"api_key": "sk-0123456789"}, provider="openai")
    return store.create_gateway_model_definition(unique("model"), secret.secret_id, "openai", "gpt-4o")


def endpoint_of(store, model, **more):
    config = GatewayEndpointModelConfig(model.model_definition_id, PRIMARY)
    return store.create_gateway_endpoint(unique("endpoint"), [config], **more)


def test_a_credential_is_sealed_and_never_answered(server, api, store):
    value = f"sk-{os.urandom(16).hex()}"
    name = unique("secret")
    made = store.create_gateway_secret(name, {"api_key": value}, provider="openai", auth_config={"a": "b"})
    assert made.masked_values == {"api_key": f"{value[:3]}...{value[-4:]}"}
    answer = api.request("GET", f"{server.http_url}/api/3.0/mlflow/gateway/secrets/list")
    assert made.secret_id in answer.text and value not in answer.text
    for file in server.data_dir.glob("control.db*"):
        assert value.encode() not in file.read_bytes(), file

    changed = store.update_gateway_secret(made.secret_id, secret_value={"api_key": "short"})
    assert (changed.masked_values, changed.auth_config) == ({"api_key": "***"}, {"a": "b"})
    assert changed.last_updated_at > made.created_at
    taken = lambda: store.create_gateway_secret(name, {"api_key": "x"})
    refused(taken, "RESOURCE_ALREADY_EXISTS", f"Secret with name '{name}' already exists")
    store.delete_gateway_secret(made.secret_id)
    refused(lambda: store.get_secret_info(made.secret_id), "RESOURCE_DOES_NOT_EXIST", "GatewaySecret not found")


def test_a_model_outlives_its_credential_but_not_its_use(store, model):
    endpoint = endpoint_of(store, model)
    refused(
        lambda: store.delete_gateway_model_definition(model.model_definition_id),
        "INVALID_STATE",
        "currently in use by endpoints",
    )
    store.delete_gateway_secret(model.secret_id)
    orphan = store.get_gateway_endpoint(endpoint.endpoint_id).model_mappings[0].model_definition
    assert (orphan.secret_id, orphan.secret_name, orphan.model_name) == (None, None, "gpt-4o")
    store.delete_gateway_endpoint(endpoint.endpoint_id)
    store.delete_gateway_model_definition(model.model_definition_id)


def test_an_endpoints_life(mlflow_client, store, model):
    made = endpoint_of(store, model)
    assert (made.routing_strategy, made.fallback_config, made.usage_tracking) == (None, None, True)
    experiment = mlflow_client.get_experiment(made.experiment_id)
    assert experiment.name == f"gateway/{made.name}"
    assert experiment.tags["mlflow.experiment.sourceId"] == made.endpoint_id

    configs = [
        GatewayEndpointModelConfig(model.model_definition_id, PRIMARY, weight=0.25),
        GatewayEndpointModelConfig(model.model_definition_id, FALLBACK, fallback_order=1),
    ]
    changed = store.update_gateway_endpoint(
        made.endpoint_id,
        name=unique("renamed"),
        model_configs=configs,
        routing_strategy=RoutingStrategy.REQUEST_BASED_TRAFFIC_SPLIT,
        fallback_config=FallbackConfig(FallbackStrategy.SEQUENTIAL, max_attempts=2),
    )
    assert [(m.linkage_type, m.weight, m.fallback_order) for m in changed.model_mappings] == [
        (PRIMARY, 0.25, None),
        (FALLBACK, 1.0, 1),
    ]
    assert (changed.fallback_config.strategy, changed.fallback_config.max_attempts) == ("SEQUENTIAL", 2)
    assert changed.experiment_id == made.experiment_id

    store.set_gateway_endpoint_tag(made.endpoint_id, GatewayEndpointTag("team", "lake"))
    tags = store.get_gateway_endpoint(name=changed.name).tags
    assert [(tag.key, tag.value) for tag in tags] == [("team", "lake")]
    again = lambda: store.attach_model_to_endpoint(made.endpoint_id, configs[0])
    refused(again, "RESOURCE_ALREADY_EXISTS", "already attached")
    refused(
        lambda: store.create_gateway_endpoint("a b", configs), "INVALID_PARAMETER_VALUE", "Invalid endpoint name 'a b'"
    )
    refused(
        lambda: store.create_gateway_endpoint(unique("e"), [GatewayEndpointModelConfig("d-none", PRIMARY)]),
        "RESOURCE_DOES_NOT_EXIST",
        "Model definitions not found: d-none",
    )


def test_a_scorer_follows_its_endpoint_through_a_new_name(mlflow_client, store, model):
    endpoint = endpoint_of(store, model)
    experiment = mlflow_client.create_experiment(unique("judged"))
    judge = make_judge(name="kind", instructions="Is {{ outputs }} kind?", model=f"gateway:/{endpoint.name}")
    judge.register(experiment_id=experiment)
    scorer = store.get_scorer(experiment, "kind")
    bound = store.list_endpoint_bindings(endpoint_id=endpoint.endpoint_id)
    assert [(b.resource_type, b.resource_id) for b in bound] == [(GatewayResourceType.SCORER, scorer.scorer_id)]
    assert store.upsert_online_scoring_config(experiment, "kind", 0.5).sample_rate == 0.5
    assert [c.sample_rate for c in store.get_online_scoring_configs([scorer.scorer_id])] == [0.5]

    renamed = unique("renamed")
    store.update_gateway_endpoint(endpoint.endpoint_id, name=renamed)
    assert f"gateway:/{renamed}" in store.get_scorer(experiment, "kind")._serialized_scorer
    store.delete_scorer(experiment, "kind")
    assert store.list_endpoint_bindings(endpoint_id=endpoint.endpoint_id) == []


def test_no_model_is_asked(server, api):
    for path in ["/gateway/e/mlflow/invocations", "/gateway/mlflow/v1/chat/completions"]:
        answer = api.request("POST", f"{server.http_url}{path}", json={})
        assert (answer.status_code, answer.json()["error_code"]) == (501, "NOT_IMPLEMENTED")
    proxy = f"{server.http_url}/ajax-api/2.0/mlflow/gateway-proxy"
    answer = api.request("GET", proxy, params={"gateway_path": "api/2.0/endpoints"})
    assert answer.json() == {"endpoints": []}
    assert api.request("POST", proxy, json={"gateway_path": "foo/bar"}).status_code == 400

"""Rolling models out: weights, headers, sticky callers, shadows, canaries, limits, and the log of predictions.

ALIAS_MOVES=1000 makes the test of alias moves the whole one: 1,000 moves under 100,000 requests.
"""

import base64
import collections
import http.client
import io
import json
import math
import os
import threading
import time
import uuid
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import onnx
import pandas as pd
import pytest
import requests
from conftest import eventually, pointed_at
from onnx import TensorProto, helper
from serving_support import register
from test_pipeline_events import the_run
from test_pipelines import put
from test_s3_settings import hook  # noqa: F401 (a fixture)

ROW = {"inputs": [[1.0, 2.0]]}
MOVES = int(os.environ.get("ALIAS_MOVES", "40"))
REQUESTS_PER_MOVE = 100


def linear(weights):
    """A model of two lines: a score, and whether it is above 0."""
    size = len(weights)
    nodes = [
        helper.make_node("MatMul", ["X", "W"], ["score"]),
        helper.make_node("Greater", ["score", "zero"], ["above"]),
        helper.make_node("Cast", ["above"], ["label"], to=TensorProto.INT64),
    ]
    constants = [
        helper.make_tensor("W", TensorProto.FLOAT, [size, 1], weights),
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, size])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None, 1]),
            helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


# Version 2 agrees with version 1, version 3 never does, version 4 takes three columns, version 5 is no model.
VERSIONS = [linear([1.0, 1.0]), linear([1.5, 1.0]), linear([-1.0, -1.0]), linear([1.0, 1.0, 1.0]), b"no model"]


def five_versions(server, folder, name):
    with pointed_at(server) as client:
        made = [register(client, folder, name, content) for content in VERSIONS]
        assert [int(version) for version in made] == [1, 2, 3, 4, 5]


class House:
    """A server with a model of five versions, and what the tests ask of it."""

    def __init__(self, server, folder):
        self.server, self.api = server, server.api()
        self.model = f"m{uuid.uuid4().hex[:8]}"
        five_versions(server, folder, self.model)

    def uri(self, version):
        return f"models:/{self.model}/{version}"

    def alias(self, version, alias="production"):
        with requests.Session() as session:
            answer = session.post(
                f"{self.server.http_url}/api/2.0/mlflow/registered-models/alias",
                json={"name": self.model, "alias": alias, "version": str(version)},
                auth=self.server.auth,
                timeout=30,
            )
        assert answer.status_code == 200, answer.text

    def alias_version(self, alias="production"):
        answer = requests.get(
            f"{self.server.http_url}/api/2.0/mlflow/registered-models/alias",
            params={"name": self.model, "alias": alias},
            auth=self.server.auth,
            timeout=30,
        )
        return int(answer.json()["model_version"]["version"])

    def define(self, definition, name=None):
        """Makes an endpoint, and waits until every route has its model."""
        name = name or f"e{uuid.uuid4().hex[:8]}"
        answer = self.api.put(f"/endpoints/{name}", json=definition)
        assert answer.status_code == 200, answer.text
        self.ready(name)
        return name

    def ready(self, name):
        def look():
            routes = self.api.get(f"/endpoints/{name}").json()["routes"]
            return all(route["state"] == "ready" for route in routes)

        eventually(look, what=f"all routes of {name} are ready")

    def aliased(self, version=1):
        """An endpoint that follows the alias `production`."""
        self.alias(version)
        return self.define({"model": f"models:/{self.model}@production"})

    def ask(self, name, body=ROW, **kwargs):
        url = f"{self.server.http_url}/endpoints/{name}/invocations"
        return requests.post(url, json=body, auth=self.server.auth, timeout=60, **kwargs)

    def buckets(self):
        return [bucket["Name"] for bucket in self.server.s3().list_buckets()["Buckets"]]

    def stats(self, name):
        versions = self.api.get(f"/endpoints/{name}/stats").json()["versions"]
        return {int(one["version"]): one for one in versions}

    def canary(self, name, version, **wanted):
        answer = self.api.post(f"/endpoints/{name}/canary", json={"version": str(version)} | wanted)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def canary_ended(self, name):
        def look():
            canary = self.api.get(f"/endpoints/{name}/canary").json()
            return canary if canary["status"] in ("promoted", "rolled_back") else None

        return eventually(look, timeout=60, what="the canary has ended")


@pytest.fixture(scope="module")
def house(server, tmp_path_factory):
    return House(server, tmp_path_factory.mktemp("models"))


class Load:
    """Threads that ask an endpoint over connections they keep, until told to stop; every answer is kept."""

    def __init__(self, server, name, threads=4, body=ROW, headers=None):
        self.place = urlsplit(server.http_url).netloc
        word = base64.b64encode(":".join(server.auth).encode()).decode()
        self.headers = {"authorization": f"Basic {word}", "content-type": "application/json"}
        self.more = headers or (lambda index: {})
        self.path, self.body = f"/endpoints/{name}/invocations", json.dumps(body)
        self.answers, self.failures = [], []
        self.stop = threading.Event()
        self.counter = iter(range(1 << 60))
        self.threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(threads)]
        self.limit = None

    def _ask(self):
        connection = http.client.HTTPConnection(self.place, timeout=60)
        while not self.stop.is_set():
            index = next(self.counter)
            if self.limit is not None and index >= self.limit:
                break
            try:
                connection.request("POST", self.path, self.body, self.headers | self.more(index))
                answer = connection.getresponse()
                text = answer.read()
                found = (answer.status, answer.headers["x-crannog-model-version"], answer.headers["x-crannog-route"])
                if answer.status != 200:
                    self.failures.append((answer.status, text[:200]))
                self.answers.append((index, *found))
            except OSError as error:
                self.failures.append(repr(error))
                connection.close()
                if self.stop.wait(0.05):
                    break
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def later(self, count, what):
        """So many answers or more to requests that begin from now on: one that is on its way may end as it began."""
        mark = next(self.counter)

        def look():
            answers = [answer for answer in list(self.answers) if answer[0] > mark]
            return answers if len(answers) >= count else None

        return eventually(look, what=what)

    def run(self, requests_wanted):
        """So many requests, and then the end."""
        self.limit = requests_wanted
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join()
        assert self.failures == []
        return self.answers

    def shares(self):
        return collections.Counter(route for _, _, _, route in self.answers)


def assert_share(count, total, share):
    """Within five standard deviations, which chance leaves once in two million."""
    bound = 5 * math.sqrt(total * share * (1 - share))
    assert abs(count - total * share) <= bound, f"{count} of {total} for a share of {share}"


def three_routes(house, **more):
    routes = [
        {"name": "champion", "model": house.uri(1), "weight": 70},
        {"name": "second", "model": house.uri(2), "weight": 20},
        {"name": "third", "model": house.uri(3), "weight": 10},
    ]
    return {"routes": routes} | more


def test_ten_thousand_requests_fall_by_their_weights(house):
    name = house.define(three_routes(house))
    load = Load(house.server, name)
    answers = load.run(10_000)
    shares = load.shares()
    for route, share in [("champion", 0.7), ("second", 0.2), ("third", 0.1)]:
        assert_share(shares[route], 10_000, share)
    assert {(route, version) for _, _, version, route in answers} == {("champion", "1"), ("second", "2"), ("third", "3")}
    stats = house.stats(name)
    assert [stats[version]["requests"] for version in (1, 2, 3)] == [shares["champion"], shares["second"], shares["third"]]
    assert sum(point["requests"] for version in stats.values() for point in version["series"]) == 10_000
    # Requests that wait for a core share a run: each of their rows is counted once.
    assert sum(batch["size"] * batch["count"] for batch in stats[1]["batches"]) == shares["champion"]
    assert 0 < stats[1]["latency_ms"]["p50"] <= stats[1]["latency_ms"]["p99"]
    info = house.api.get(f"/endpoints/{name}").json()
    assert (info["requests"], info["errors"]) == (10_000, 0)
    assert [route["share"] for route in info["routes"]] == [70.0, 20.0, 10.0]


def test_a_header_sends_to_a_route_and_an_alias_may_stand_behind_it(house):
    house.alias(2, "beta")
    definition = {
        "routes": [
            {"name": "champion", "model": house.uri(1), "weight": 1},
            {"name": "beta", "model": f"models:/{house.model}@beta", "match": {"header": "X-Tier", "value": "beta"}},
        ]
    }
    name = house.define(definition)
    for _ in range(20):
        assert house.ask(name).headers["x-crannog-route"] == "champion"
        sent = house.ask(name, headers={"x-tier": "beta"})
        assert (sent.headers["x-crannog-route"], sent.headers["x-crannog-model-version"]) == ("beta", "2")
    house.alias(3, "beta")
    eventually(
        lambda: house.ask(name, headers={"x-tier": "beta"}).headers["x-crannog-model-version"] == "3",
        what="the route follows its alias",
    )
    assert house.ask(name).headers["x-crannog-model-version"] == "1"


def test_the_open_inference_protocol_takes_the_same_routes(house):
    import tritonclient.http as triton
    name = house.define(three_routes(house, sticky={"by": "header", "name": "x-customer"}))
    client = triton.InferenceServerClient(urlsplit(house.server.http_url).netloc)
    word = base64.b64encode(":".join(house.server.auth).encode()).decode()
    tensor = triton.InferInput("X", (1, 2), "FP32")
    tensor.set_data_from_numpy(np.array([[1, 2]], dtype=np.float32))
    for customer in range(30):
        headers = {"authorization": f"Basic {word}", "x-customer": str(customer)}
        by_triton = client.infer(name, [tensor], headers=headers).get_response()["model_version"]
        by_scoring = house.ask(name, headers={"x-customer": str(customer)}).headers["x-crannog-model-version"]
        assert by_triton == by_scoring
    pinned = client.infer(name, [tensor], model_version="3", headers=headers)
    assert pinned.get_response()["model_version"] == "3"
    client.close()


def routes_of_customers(house, name, customers):
    load = Load(house.server, name, headers=lambda index: {"x-customer": f"customer {index}"})
    return {index: route for index, _, _, route in load.run(customers)}


def test_a_sticky_caller_stays_and_only_the_share_that_must_move_moves(house):
    customers = 1_000
    name = house.define(three_routes(house, sticky={"by": "header", "name": "x-customer"}))
    first = routes_of_customers(house, name, customers)
    assert_share(list(first.values()).count("second"), customers, 0.2)
    assert routes_of_customers(house, name, customers) == first
    # From 70:20:10 to 70:20:30, which is 58:17:25: whoever moves moves to the third.
    answer = house.api.put(f"/endpoints/{name}/split", json={"weights": {"third": 30}})
    assert answer.status_code == 200, answer.text
    then = routes_of_customers(house, name, customers)
    moved = [index for index in first if first[index] != then[index]]
    assert {then[index] for index in moved} == {"third"}
    assert_share(len(moved), customers, 0.25 - 0.1)


def test_a_shadow_is_compared_and_never_heard(house):
    definition = {
        "routes": [
            {"name": "champion", "model": house.uri(1), "weight": 1},
            {"name": "alike", "model": house.uri(2), "shadow": True},
            {"name": "contrary", "model": house.uri(3), "shadow": True},
            {"name": "broken", "model": house.uri(4), "shadow": True},
        ]
    }
    name = house.define(definition)
    load = Load(house.server, name, body={"inputs": [[1.0, 2.0], [-1.0, -2.0]]})
    answers = load.run(100)
    assert {version for _, _, version, _ in answers} == {"1"}

    def shadows():
        stats = house.stats(name)
        seen = [stats[version]["shadow"] for version in (2, 3, 4)]
        return stats if all(one["requests"] + one["dropped"] == 100 for one in seen) else None

    stats = eventually(shadows, what="every request was mirrored")
    assert [stats[version]["requests"] for version in (2, 3, 4)] == [0, 0, 0]
    alike, contrary, broken = (stats[version]["shadow"] for version in (2, 3, 4))
    assert alike["agreement"] == 1.0 and alike["rows"] == 2 * alike["requests"] > 0
    assert contrary["agreement"] == 0.0
    assert broken["errors"] == broken["requests"] > 0 and broken["agreement"] is None
    info = house.api.get(f"/endpoints/{name}").json()
    assert (info["requests"], info["errors"]) == (100, 0)


def test_a_healthy_canary_is_promoted_step_by_step(house):
    name = house.aliased(1)
    steps = [{"weight": 20, "seconds": 1}, {"weight": 60, "seconds": 1}]
    gates = {"min_requests": 30, "agreement": 0.95, "p95_ratio": 1000.0}
    with Load(house.server, name) as load:
        house.canary(name, 2, steps=steps, gates=gates)
        refused = house.api.put(f"/endpoints/{name}", json={"model": house.uri(3)})
        assert refused.status_code == 409 and "canary" in refused.json()["detail"]
        ended = house.canary_ended(name)
        later = load.later(50, "requests after the promotion")
    assert load.failures == []
    assert (ended["status"], ended["step"]) == ("promoted", 1), ended["note"]
    assert ended["figures"]["compared"] >= 30 and ended["figures"]["agreed"] == ended["figures"]["compared"]
    assert house.alias_version() == 2
    assert {version for _, _, version, _ in later} == {"2"}
    kinds = [what["kind"] for what in house.api.get(f"/endpoints/{name}/history").json()["history"]]
    told = [kind for kind in reversed(kinds) if kind.startswith("canary")]
    assert told == ["canary_began", "canary_step", "canary_promoted"]


@pytest.mark.parametrize(
    ("version", "gates", "why"),
    [
        (4, {"min_requests": 20, "error_rate": 0.05}, "requests failed, and 5 % may"),
        (3, {"min_requests": 20, "agreement": 0.9}, "it agreed with the champion in 0 % of"),
        (2, {"min_requests": 20, "p95_ms": 0.0001}, "and 0 ms is the most"),
        (5, {"min_requests": 20}, "is not an ONNX model"),
    ],
)
def test_a_canary_that_is_not_well_rolls_itself_back_and_says_why(house, version, gates, why):
    name = house.aliased(1)
    with Load(house.server, name) as load:
        house.canary(name, version, steps=[{"weight": 50, "seconds": 3600}], gates=gates)
        ended = house.canary_ended(name)
        later = load.later(50, "requests after the roll back")
    assert ended["status"] == "rolled_back" and why in ended["note"], ended["note"]
    assert house.alias_version() == 1
    assert {(status, answered) for _, status, answered, _ in later} == {(200, "1")}
    told = house.api.get(f"/endpoints/{name}/history").json()["history"]
    rolled_back = [what for what in told if what["kind"] == "canary_rolled_back"]
    assert len(rolled_back) == 1 and why in rolled_back[0]["note"]


NEWS = """
name: {name}
triggers: [{{canary: {{endpoint: {endpoint}, state: {state}}}}}]
tasks: [{{id: a, run: 'echo {{{{ event.uri }}}} {{{{ event.champion }}}} {{{{ event.state }}}}; echo "$CRANNOG_EVENT"'}}]
"""


@pytest.mark.parametrize(("version", "state", "why"), [(2, "promoted", "of 20 requests failed"), (4, "rolled_back", "requests failed, and")])
def test_a_canary_starts_pipelines_and_tells_webhooks(house, hook, version, state, why):
    house.alias(1)
    name = house.define({"model": f"models:/{house.model}@production", "notify": [hook.name]})
    for wanted in ("started", state):
        put(house.api, f"{name}-{wanted}", NEWS.format(name=f"{name}-{wanted}", endpoint=name, state=wanted))
    refused = house.api.patch(f"/endpoints/{name}", json={"notify": ["nobody"]})
    assert refused.status_code == 400 and "no webhook" in refused.json()["detail"]
    gates = {"min_requests": 20, "error_rate": 0.05}
    house.canary(name, version, steps=[{"weight": 100, "seconds": 0}], gates=gates)
    eventually(lambda: house.api.get(f"/endpoints/{name}/canary").json()["step_began_ms"], what="the canary's beginning")
    for _ in range(20):
        house.ask(name)
    ended = house.canary_ended(name)
    assert ended["status"] == state and why in ended["note"], ended
    for wanted in ("started", state):
        told = hook.next()
        fact = json.loads(told[1])
        known = {field: fact[field] for field in ("kind", "state", "endpoint", "uri", "version", "champion")}
        assert known == {
            "kind": "canary", "state": wanted, "endpoint": name, "uri": house.uri(version), "version": str(version), "champion": "1",
        }  # fmt: skip
        assert {"webhook-id", "webhook-signature", "webhook-timestamp"} <= {header.lower() for header in told[0]}
        run = the_run(house.api, f"{name}-{wanted}")
        lines = house.api.get(f"/pipeline-runs/{run['id']}/tasks/a/log").json()["text"].splitlines()
        assert lines[0] == f"{house.uri(version)} 1 {wanted}" and json.loads(lines[1])["note"] == fact["note"]
    assert fact["note"] == ended["note"]


def test_a_canary_goes_on_after_kill_9(private_server, tmp_path):
    house = House(private_server(), tmp_path)
    name = house.aliased(1)
    steps = [{"weight": 30, "seconds": 1}, {"weight": 60, "seconds": 3600}]
    with Load(house.server, name):
        began = house.canary(name, 2, steps=steps, gates={"min_requests": 10})
        eventually(lambda: house.api.get(f"/endpoints/{name}/canary").json()["step"] == 1, what="the second step")
        before = house.api.get(f"/endpoints/{name}/canary").json()
    house.server.kill9()
    house.server.start()
    house.api = house.server.api()
    after = eventually(lambda: house.api.get(f"/endpoints/{name}/canary").json(), what="the canary")
    kept = ["id", "step", "step_began_ms", "began_ms", "status", "champion", "steps", "gates"]
    assert [after[field] for field in kept] == [before[field] for field in kept]
    assert after["id"] == began["id"] and after["status"] == "running"
    house.ready(name)
    load = Load(house.server, name)
    load.run(400)
    assert_share(load.shares()["canary"], 400, 0.6)
    answer = house.api.post(f"/endpoints/{name}/canary/promote")
    assert answer.status_code == 200 and answer.json()["status"] == "promoted", answer.text
    assert house.alias_version() == 2 and house.ask(name).headers["x-crannog-model-version"] == "2"


def test_rollback_is_one_call(house):
    name = house.aliased(1)
    nothing = house.server.cli("endpoint", "rollback", name, check=False)
    assert nothing.returncode != 0 and "nothing to go back to" in nothing.stderr
    house.alias(2)
    eventually(lambda: house.ask(name).headers["x-crannog-model-version"] == "2", what="version 2 serves")
    info = house.api.get(f"/endpoints/{name}").json()
    assert info["routes"][0]["warm"] == ["1"] and info["model_bytes"] == len(VERSIONS[0]) + len(VERSIONS[1])
    house.server.cli("endpoint", "rollback", name)
    assert house.ask(name).headers["x-crannog-model-version"] == "1" and house.alias_version() == 1
    # A version that cannot be loaded never served: back goes to what still does.
    house.alias(5)
    eventually(lambda: house.api.get(f"/endpoints/{name}").json()["state"] == "failed", what="version 5 fails")
    assert house.ask(name).headers["x-crannog-model-version"] == "1"
    house.api.post(f"/endpoints/{name}/rollback")
    assert house.alias_version() == 1 and house.api.get(f"/endpoints/{name}").json()["state"] == "ready"
    fixed = house.define({"model": house.uri(1)})
    house.api.patch(f"/endpoints/{fixed}", json={"model": house.uri(3)})
    eventually(lambda: house.ask(fixed).headers["x-crannog-model-version"] == "3", what="version 3 serves")
    answer = house.api.post(f"/endpoints/{fixed}/rollback", json={"version": "2"})
    assert answer.json()["model"] == house.uri(2), answer.text
    assert house.ask(fixed).headers["x-crannog-model-version"] == "2"


def test_what_a_canary_replaced_stays_warm_and_comes_back_in_one_call(house):
    name = house.aliased(1)
    loaded = eventually(lambda: house.api.get(f"/endpoints/{name}").json()["loaded_at"], what="version 1 is loaded")
    house.canary(name, 2)
    eventually(lambda: house.api.get(f"/endpoints/{name}/canary").json()["step_began_ms"], what="the canary's beginning")
    assert house.api.post(f"/endpoints/{name}/canary/promote").json()["status"] == "promoted"
    promoted = house.api.get(f"/endpoints/{name}").json()
    assert (promoted["version"], promoted["routes"][0]["warm"]) == ("2", ["1"])
    served = {one: house.api.get(f"/models/{house.model}/versions/{one}/serving").json()["served"] for one in (1, 2)}
    places = {one: [(place["warm"], place["share"]) for place in served[one] if place["endpoint"] == name] for one in served}
    assert places == {1: [(True, 100.0)], 2: [(False, 100.0)]}
    back = house.api.post(f"/endpoints/{name}/rollback", json={}).json()
    # It came from memory: nothing was loaded in between.
    assert (back["version"], back["state"], back["loaded_at"]) == ("1", "ready", loaded)
    assert house.ask(name).headers["x-crannog-model-version"] == "1" and house.alias_version() == 1


def test_what_is_unloaded_stays_so_over_a_restart(private_server, tmp_path):
    house = House(private_server(), tmp_path)
    name, other = house.define({"model": house.uri(1)}), house.define({"model": house.uri(2)})
    unload = f"{house.server.http_url}/v2/repository/models/{name}/unload"
    assert requests.post(unload, json={}, auth=house.server.auth, timeout=30).status_code == 200
    for stop in (house.server.kill9, house.server.stop):
        stop()
        house.server.start()
        house.api = house.server.api()
        house.ready(other)
        info = house.api.get(f"/endpoints/{name}").json()
        assert info["state"] == "no_model" and "unloaded" in info["error"], info
        assert house.ask(name).status_code == 503 and house.ask(other).status_code == 200
    house.api.put(f"/endpoints/{name}", json={"model": house.uri(1)})
    house.ready(name)
    house.server.restart()
    house.api = house.server.api()
    house.ready(name)
    assert house.ask(name).status_code == 200


def test_a_version_says_whether_it_would_run_and_where_it_serves(house):
    name = house.define(three_routes(house))

    def told(version):
        answer = house.api.get(f"/models/{house.model}/versions/{version}/serving")
        assert answer.status_code == 200, answer.text
        return answer.json()

    second = told(2)
    assert (second["runs"], second["runs_in"], second["refused"], second["bytes"]) == (True, "engine", None, len(VERSIONS[1]))
    assert {(one["name"], one["nodes"], one["known"]) for one in second["operators"]} == {
        ("MatMul", 1, True), ("Greater", 1, True), ("Cast", 1, True),
    }  # fmt: skip
    assert [one["name"] for one in second["inputs"]] == ["X"] and second["load_ms"] > 0
    [place] = [place for place in second["served"] if place["endpoint"] == name]
    assert (place["route"], place["share"], place["weight"], place["warm"]) == ("second", 20.0, 20, False)
    broken = told(5)
    assert (broken["runs"], [place for place in broken["served"] if place["endpoint"] == name]) == (False, [])
    assert "not an ONNX model" in broken["refused"]
    assert house.api.get(f"/models/{house.model}/versions/99/serving").status_code == 404


def test_alias_moves_under_load_lose_no_request(house):
    name = house.aliased(1)
    moved = 0
    with Load(house.server, name, threads=6) as load:
        while moved < MOVES:
            moved += 1
            house.alias(1 + moved % 3)
            eventually(lambda: len(load.answers) >= moved * REQUESTS_PER_MOVE, timeout=120, what="requests between moves")
    versions = collections.Counter(version for _, _, version, _ in load.answers)
    print(f"{len(load.answers)} requests over {moved} moves: {dict(versions)}, {len(load.failures)} failed")
    assert load.failures == []
    assert len(load.answers) >= MOVES * REQUESTS_PER_MOVE
    assert set(versions) == {"1", "2", "3"}


def test_limits_turn_away_in_time(house):
    definition = {"routes": [{"name": "champion", "model": house.uri(1), "weight": 1}]}
    name = house.define(definition | {"limits": {"concurrency": 1, "queue": 1}})
    rows = json.dumps({"inputs": [[float(i % 7), 1.0] for i in range(60_000)]})
    url = f"{house.server.http_url}/endpoints/{name}/invocations"
    answers = []

    def ask():
        with requests.Session() as session:
            for _ in range(4):
                headers = {"content-type": "application/json"}
                answers.append(session.post(url, data=rows, auth=house.server.auth, headers=headers, timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statuses = collections.Counter(answer.status_code for answer in answers)
    assert set(statuses) == {200, 429}, statuses
    refused = next(answer for answer in answers if answer.status_code == 429)
    # One after the other, and two of them before: as long as those take, in whole seconds.
    assert 1 <= int(refused.headers["retry-after"]) <= 60 and refused.json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"
    stats = house.stats(name)[1]
    assert (stats["refused"], stats["errors"]) == (statuses[429], 0)
    late = house.ask(name, headers={"x-crannog-timeout-ms": "0", "x-request-id": "came-too-late"})
    assert late.status_code == 504 and late.json()["error_code"] == "DEADLINE_EXCEEDED"
    failures = house.api.get(f"/endpoints/{name}/stats").json()["failures"]
    assert (failures[0]["request_id"], failures[0]["status"]) == ("came-too-late", 504)
    assert failures[0]["version"] == "1"


def test_metrics_are_what_prometheus_reads(house):
    from prometheus_client import parser
    name = house.define({"model": house.uri(1)})
    for _ in range(5):
        assert house.ask(name).status_code == 200
    assert house.ask(name, {"inputs": [[1.0]]}).status_code == 400
    assert requests.get(f"{house.server.http_url}/metrics", timeout=30).status_code == 401
    answer = requests.get(f"{house.server.http_url}/metrics", auth=house.server.auth, timeout=30)
    samples = {}
    for family in parser.text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.labels.get("endpoint") == name:
                samples.setdefault(sample.name, []).append((sample.labels, sample.value))
    outcomes = {labels["outcome"]: value for labels, value in samples["crannog_inference_requests_total"]}
    assert outcomes == {"ok": 5, "failed": 1, "refused": 0}
    buckets = [value for labels, value in samples["crannog_inference_duration_seconds_bucket"]]
    assert buckets == sorted(buckets) and buckets[-1] == 5
    assert samples["crannog_inference_duration_seconds_count"][0][1] == 5
    assert samples["crannog_endpoint_ready"][0][1] == 1


def test_the_prediction_log_is_read_by_pandas(private_server, tmp_path):
    house = House(private_server(env={"CRANNOG_SERVING_LOG_INTERVAL": "1s"}), tmp_path)
    name = house.define(three_routes(house, log={"sample": 1.0, "bucket": "kept"}))
    for number in range(60):
        answer = house.ask(name, {"inputs": [[number, 1.0]]}, headers={"x-request-id": f"r-{number}"})
        assert answer.status_code == 200
    assert house.ask(name, {"inputs": [[1.0, 2.0, 3.0]]}, headers={"x-request-id": "wrong"}).status_code == 400
    eventually(lambda: "kept" in house.buckets(), what="the bucket")
    eventually(lambda: house.server.s3().list_objects_v2(Bucket="kept")["KeyCount"], what="a first file")
    # What is not due yet is written when the server stops.
    assert house.ask(name, {"inputs": [[60, 1.0]]}, headers={"x-request-id": "r-60"}).status_code == 200
    house.server.restart()
    s3 = house.server.s3()
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="kept")["Contents"]]
    assert len(keys) >= 2 and all(key.startswith(f"{name}/20") and key.endswith(".parquet") for key in keys)
    files = [pd.read_parquet(io.BytesIO(s3.get_object(Bucket="kept", Key=key)["Body"].read())) for key in keys]
    frame = pd.concat(files).set_index("request_id")
    assert set(frame.index) == {f"r-{number}" for number in range(61)} | {"wrong"} and len(frame) == 62
    assert str(frame["time"].dtype).startswith("datetime64") and "UTC" in str(frame["time"].dtype)
    assert abs(frame["time"].max().timestamp() - time.time()) < 600
    wrong = frame.loc["wrong"]
    assert wrong["status"] == 400 and pd.isna(wrong["outputs"])
    good = frame.drop("wrong")
    assert (good["status"] == 200).all() and (good["latency_ms"] > 0).all()
    assert set(zip(good["route"], good["version"])) <= {("champion", "1"), ("second", "2"), ("third", "3")}
    for request_id, row in good.iterrows():
        number = float(request_id.removeprefix("r-"))
        assert json.loads(row["inputs"]) == {"X": [[number, 1.0]]}
        weights = {"1": [1.0, 1.0], "2": [1.5, 1.0], "3": [-1.0, -1.0]}[row["version"]]
        score = number * weights[0] + weights[1]
        assert json.loads(row["outputs"]) == {"label": [[int(score > 0)]], "score": [[score]]}


def test_the_command_line_splits_and_tries(house):
    name = house.define({"model": house.uri(1)})
    cli = house.server.cli
    cli("endpoint", "split", name, "champion=3", "second=1", "--route", f"second={house.uri(2)}", "--sticky", "user")
    house.ready(name)
    info = json.loads(cli("endpoint", "show", name, "--json").stdout)
    assert [(route["name"], route["share"]) for route in info["routes"]] == [("champion", 75.0), ("second", 25.0)]
    assert info["sticky"] == {"by": "user"}
    assert len({house.ask(name).headers["x-crannog-route"] for _ in range(20)}) == 1
    cli("endpoint", "split", name, "--remove", "second", "--shadow", f"next={house.uri(3)}", "--sticky", "none")
    info = json.loads(cli("endpoint", "show", name, "--json").stdout)
    assert [(route["name"], route["shadow"]) for route in info["routes"]] == [("champion", False), ("next", True)]
    assert info["sticky"] is None
    assert house.ask(name).headers["x-crannog-model-version"] == "1"
    assert cli("endpoint", "split", name, "nobody=1", check=False).returncode == 4
    cli("endpoint", "canary", name, "--version", "2", "--step", "0:1h", "--min-requests", "5")
    assert "running" in cli("endpoint", "canary", name).stdout
    stopped = cli("endpoint", "canary", name, "--stop")
    assert "rolled_back" in stopped.stdout and "stopped by" in stopped.stdout
    assert f"{house.model} v1" in cli("endpoint", "stats", name).stdout
    assert "canary_rolled_back" in cli("endpoint", "history", name).stdout
    cli("endpoint", "delete", name)
    assert house.api.get(f"/endpoints/{name}").status_code == 404

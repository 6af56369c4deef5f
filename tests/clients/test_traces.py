"""Traces through the real clients: mlflow's own tracing and its search, and OpenTelemetry's protocol."""

import gzip
import json
import math
import os
import zlib

import mlflow
import pytest
import requests
from mlflow.entities import AssessmentSource, SpanEvent, SpanType
from mlflow.entities.trace_data import TraceData
from mlflow.entities.trace_metrics import AggregationType, MetricAggregation, MetricViewType
from mlflow.entities.trace_state import TraceState
from mlflow.entities.trace_status import TraceStatus
from mlflow.exceptions import MlflowException
from mlflow.tracing.attachments import Attachment
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@pytest.fixture
def experiment(mlflow_client, request):
    """An experiment of the test's own, into which `mlflow.trace` writes."""
    made = mlflow.set_experiment(f"{request.node.name}-{os.urandom(4).hex()}")
    yield made.experiment_id
    mlflow.flush_trace_async_logging()


@pytest.fixture
def make(mlflow_client, experiment):
    """Makes one finished trace: `make("name", status="ERROR", tags={..}, attributes={..})` -> its id."""

    def make(name, status="OK", tags=None, attributes=None):
        root = mlflow_client.start_trace(name, experiment_id=experiment, tags=tags)
        root.set_attributes(attributes or {})
        mlflow_client.end_trace(root.trace_id, status=status)
        mlflow.flush_trace_async_logging()
        return root.trace_id

    return make


def ids(traces):
    return [trace.info.trace_id for trace in traces]


def refused(call, code, words):
    with pytest.raises(MlflowException) as caught:
        call()
    assert caught.value.error_code == code, caught.value
    assert words in str(caught.value), caught.value


def otlp_request(trace=b"\x01" * 16, span=b"\x02" * 8, **fields):
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    attribute = resource.resource.attributes.add(key="service.name")
    attribute.value.string_value = "a-service"
    made = resource.scope_spans.add().spans.add(
        trace_id=trace, span_id=span, name="s", start_time_unix_nano=1_000_000_000, end_time_unix_nano=3_000_000_000
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return request


@pytest.fixture
def export(server):
    """Sends a body to OpenTelemetry's door."""

    def export(body, experiment="0", **headers):
        given = {"Content-Type": "application/x-protobuf", "x-mlflow-experiment-id": experiment} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        sent = {name: value for name, value in given.items() if value is not None}
        return requests.post(f"{server.http_url}/v1/traces", data=body, headers=sent, auth=server.auth, timeout=30)

    return export


# --- written


def test_a_decorated_function_becomes_a_trace(mlflow_client, experiment):
    @mlflow.trace(span_type=SpanType.TOOL)
    def double(x):
        return {"twice": 2 * x, "parts": [x, 0.5, None, "é"]}

    @mlflow.trace
    def work(question):
        mlflow.update_current_trace(
            tags={"team": "lake"}, metadata={"mlflow.trace.session": "s-1", "mlflow.trace.user": "u-1"}
        )
        return double(len(question))["twice"]

    assert work("abc") == 6
    mlflow.flush_trace_async_logging()
    [trace] = mlflow.search_traces(locations=[experiment], return_type="list")
    info = trace.info
    assert (info.experiment_id, info.state) == (experiment, TraceState.OK)
    assert info.tags["team"] == "lake"
    assert info.tags["mlflow.traceName"] == "work"
    assert info.tags["mlflow.trace.spansLocation"] == "TRACKING_STORE"
    assert info.tags["mlflow.artifactLocation"] == f"mlflow-artifacts:/{experiment}/traces/{info.trace_id}/artifacts"
    assert info.trace_metadata["mlflow.trace.session"] == "s-1"
    assert json.loads(info.trace_metadata["mlflow.trace.sizeStats"])["num_spans"] == 2
    assert (info.request_preview, info.response_preview) == ('{"question": "abc"}', "6")
    assert info.execution_duration >= 0
    root, child = trace.data.spans
    assert (root.name, root.parent_id, root.inputs, root.outputs) == ("work", None, {"question": "abc"}, 6)
    assert (child.name, child.span_type, child.parent_id) == ("double", "TOOL", root.span_id)
    assert child.outputs == {"twice": 6, "parts": [3, 0.5, None, "é"]}


def test_what_is_read_is_what_was_written(server, experiment):
    with mlflow.start_span("root") as root:
        root.set_inputs({"a": [1, 2.0, 1e30, True, None], "b": {"c": 'quo"te'}})
        root.set_attribute("fruit", "apple")
        root.add_event(SpanEvent("seen", timestamp=99_999, attributes={"foo": "bar", "n": 3}))
        with mlflow.start_span("child") as child:
            child.set_outputs("out")
    mlflow.flush_trace_async_logging()
    written = {span.span_id: span.to_dict() for span in (root, child)}
    answer = requests.get(
        f"{server.http_url}/ajax-api/2.0/mlflow/get-trace-artifact",
        params={"request_id": root.trace_id},
        auth=server.auth,
        timeout=30,
    )
    assert answer.headers["Content-Disposition"] == "attachment; filename=traces.json"
    from_file = TraceData.from_dict(answer.json()).spans
    assert {span.span_id: span.to_dict() for span in from_file} == written
    from_api = mlflow.get_trace(root.trace_id).data.spans
    assert {span.span_id: span.inputs for span in from_api} == {root.span_id: root.inputs, child.span_id: None}
    wire = requests.get(
        f"{server.http_url}/ajax-api/3.0/mlflow/traces/get",
        params={"trace_id": root.trace_id, "allow_partial": False},
        auth=server.auth,
        timeout=30,
    ).json()["trace"]
    assert {"key": "fruit", "value": {"string_value": "apple"}} in wire["spans"][0]["attributes"]


def test_an_exception_is_kept(experiment):
    @mlflow.trace
    def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fails()
    mlflow.flush_trace_async_logging()
    [trace] = mlflow.search_traces(locations=[experiment], return_type="list")
    assert trace.info.state == TraceState.ERROR
    assert trace.data.spans[0].status.status_code == "ERROR"
    assert trace.data.spans[0].events[0].name == "exception"


def test_tokens_are_added_up_over_the_tree(mlflow_client, experiment, export):
    def span(request, trace, number, parent=b"", usage=None):
        made = request.resource_spans.add().scope_spans.add().spans.add(
            trace_id=trace, span_id=bytes([number] * 8), parent_span_id=parent, name=f"s{number}"
        )
        made.start_time_unix_nano, made.end_time_unix_nano = 10**9, 2 * 10**9
        for key, value in (usage or {}).items():
            made.attributes.add(key=key).value.int_value = value

    trace = os.urandom(16)
    usage = {"gen_ai.usage.input_tokens": 5, "gen_ai.usage.output_tokens": 7}
    first, second = ExportTraceServiceRequest(), ExportTraceServiceRequest()
    # The leaf comes first; its parent, which tells the leaf's tokens again, in a request of its own.
    span(first, trace, 3, bytes([2] * 8), usage)
    span(second, trace, 2, bytes([1] * 8), usage)
    span(second, trace, 1)
    for request in (first, second):
        assert export(request.SerializeToString(), experiment).status_code == 200
    info = mlflow_client.get_trace(f"tr-{trace.hex()}").info
    assert info.token_usage == {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    assert info.state == TraceState.OK


# --- searched


def test_search(mlflow_client, experiment, make):
    one = make("one", tags={"env": "prod"}, attributes={"model": "gpt-4", "n": 7})
    two = make("two", tags={"env": "dev"}, attributes={"model": "claude"})
    three = make("three", status="ERROR", attributes={"note": "I like it"})

    def found(filter_string, **more):
        return set(ids(mlflow_client.search_traces(locations=[experiment], filter_string=filter_string, **more)))

    assert ids(mlflow_client.search_traces(locations=[experiment])) == [three, two, one]
    for filter_string, expected in [
        ("status = 'OK'", {one, two}),
        ("trace.status != 'OK'", {three}),
        ("attributes.status IN ('ERROR', 'IN_PROGRESS')", {three}),
        ("timestamp > 0", {one, two, three}),
        ("timestamp_ms < 1", set()),
        ("execution_time >= 0 AND end_time > 0", {one, two, three}),
        ("tags.env = 'prod'", {one}),
        ("tags.env != 'prod'", {two}),
        ("tag.env LIKE 'P%'", set()),
        ("tag.env ILIKE 'P%'", {one}),
        ("tags.env RLIKE '^(prod|dev)$'", {one, two}),
        ("tags.env IS NULL", {three}),
        ("tags.env IS NOT NULL AND status = 'OK'", {one, two}),
        ("name = 'two'", {two}),
        ("trace.name LIKE 't%'", {two, three}),
        ("metadata.`mlflow.trace_schema.version` = '3'", {one, two, three}),
        (f"request_id = '{two}'", {two}),
        ("span.name = 'one'", {one}),
        ("span.status = 'ERROR'", {three}),
        ("span.attributes.model = 'gpt-4'", {one}),
        ("span.attributes.model LIKE '%a%'", {two}),
        ("span.attributes.n = '7'", {one}),
        ("span.attributes.model RLIKE '^gpt-[0-9]$'", {one}),
        ("span.name = 'one' AND span.attributes.model = 'claude'", set()),
        ("trace.text LIKE '%I like it%'", {three}),
        ("span.content ILIKE '%CLAUDE%'", {two}),
    ]:
        assert found(filter_string) == expected, filter_string
    assert ids(mlflow_client.search_traces(locations=[experiment], order_by=["timestamp ASC"])) == [one, two, three]
    by_tag = mlflow_client.search_traces(locations=[experiment], order_by=["tags.env DESC"])
    assert ids(by_tag) == [one, two, three]

    for filter_string in ["foo.x = 'y'", "status = OK", "tags.env > 'a'", "span.nope = 'x'", "tags.k RLIKE '('"]:
        refused(lambda f=filter_string: found(f), "INVALID_PARAMETER_VALUE", "")


def test_pages(mlflow_client, experiment, make):
    made = [make(f"t{n}") for n in range(5)]
    seen, token = [], None
    while True:
        page = mlflow_client.search_traces(locations=[experiment], max_results=2, page_token=token)
        seen += ids(page)
        token = page.token
        if not token:
            break
    assert seen == made[::-1]
    refused(
        lambda: mlflow_client.search_traces(locations=[experiment], page_token="???"),
        "INVALID_PARAMETER_VALUE",
        "Invalid page token",
    )
    refused(
        lambda: mlflow_client._tracing_client.store.search_traces(locations=[experiment], max_results=501),
        "INVALID_PARAMETER_VALUE",
        "max_results",
    )


def test_runs_and_prompts(mlflow_client, experiment, make):
    run = mlflow_client.create_run(experiment).info.run_id
    with mlflow.start_run(run_id=run), mlflow.start_span("inside") as inside:
        pass
    mlflow.flush_trace_async_logging()
    linked, alone = make("linked"), make("alone")
    mlflow_client.link_traces_to_run(trace_ids=[linked], run_id=run)
    mlflow_client.link_traces_to_run(trace_ids=[linked], run_id=run)
    found = mlflow_client.search_traces(locations=[experiment], filter_string=f"attribute.run_id = '{run}'")
    assert set(ids(found)) == {inside.trace_id, linked}
    assert alone not in ids(found)
    refused(
        lambda: mlflow_client.link_traces_to_run(trace_ids=[linked], run_id="0" * 32),
        "RESOURCE_DOES_NOT_EXIST",
        "not found",
    )
    prompt = mlflow.genai.register_prompt(f"p-{os.urandom(4).hex()}", "say {{word}}")
    mlflow_client.link_prompt_versions_to_trace([prompt], alone)
    mlflow.flush_trace_async_logging()
    found = mlflow_client.search_traces(
        locations=[experiment], filter_string=f"prompt = '{prompt.name}/{prompt.version}'"
    )
    assert ids(found) == [alone]


def test_two_filters_that_go_together(mlflow_client, experiment, make):
    for n in range(6):
        make(f"prod{n}", tags={"env": "prod", "kind": "TOOL"})
    for n in range(4):
        make(f"dev{n}", tags={"env": "dev", "kind": "TOOL" if n == 0 else "LLM"})
    client = mlflow_client._tracing_client
    result = client.calculate_trace_filter_correlation([experiment], "tags.env = 'prod'", "tags.kind = 'TOOL'")
    assert (result.total_count, result.filter1_count, result.filter2_count, result.joint_count) == (10, 6, 7, 6)
    assert 0.6 < result.npmi < 0.8
    never = client.calculate_trace_filter_correlation([experiment], "tags.env = 'x'", "tags.kind = 'TOOL'")
    assert math.isnan(never.npmi)
    refused(
        lambda: client.calculate_trace_filter_correlation([experiment], "foo.x = 'x'", "tags.kind = 'TOOL'"),
        "INVALID_PARAMETER_VALUE",
        "Invalid",
    )


def test_numbers_over_many_traces(mlflow_client, experiment, make, export):
    make("a"), make("a"), make("b", status="ERROR")
    store = mlflow_client._tracing_client.store

    def numbers(view, metric, *aggregations, **more):
        points = store.query_trace_metrics(
            experiment_ids=[experiment],
            view_type=view,
            metric_name=metric,
            aggregations=[MetricAggregation(*one) for one in aggregations],
            **more,
        )
        return [(point.dimensions, point.values) for point in points]

    count, traces = (AggregationType.COUNT,), MetricViewType.TRACES
    assert numbers(traces, "trace_count", count) == [({}, {"COUNT": 3})]
    assert numbers(traces, "trace_count", count, dimensions=["trace_status"]) == [
        ({"trace_status": "ERROR"}, {"COUNT": 1}),
        ({"trace_status": "OK"}, {"COUNT": 2}),
    ]
    assert numbers(traces, "trace_count", count, dimensions=["trace_name"], filters=["trace.status = 'OK'"]) == [
        ({"trace_name": "a"}, {"COUNT": 2})
    ]
    assert numbers(MetricViewType.SPANS, "span_count", count, filters=["span.name = 'b'"]) == [({}, {"COUNT": 1})]

    request = otlp_request(os.urandom(16))
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for key, tokens in {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 4}.items():
        span.attributes.add(key=key).value.int_value = tokens
    span.attributes.add(key="mlflow.llm.cost").value.string_value = '{"total_cost": 0.25}'
    span.attributes.add(key="gen_ai.request.model").value.string_value = "m"
    assert export(request.SerializeToString(), experiment).status_code == 200
    half = (AggregationType.PERCENTILE, 50.0)
    assert numbers(traces, "total_tokens", (AggregationType.SUM,), half) == [({}, {"SUM": 14, "P50.0": 14})]
    by_model = numbers(MetricViewType.SPANS, "total_cost", (AggregationType.SUM,), dimensions=["span_model_name"])
    assert by_model == [({"span_model_name": "m"}, {"SUM": 0.25})]
    window = {"time_interval_seconds": 1, "start_time_ms": 0, "end_time_ms": 5000}
    assert numbers(traces, "latency", (AggregationType.MAX,), **window) == [
        ({"time_bucket": "1970-01-01T00:00:01+00:00"}, {"MAX": 2000})
    ]
    refused(lambda: numbers(traces, "latency", count), "INVALID_PARAMETER_VALUE", "invalid aggregation_type(s)")


# --- changed


def test_tags(mlflow_client, make):
    trace = make("tagged", tags={"a": "1"})
    mlflow_client.set_trace_tag(trace, "a", "2")
    mlflow_client.set_trace_tag(trace, "b", "3")
    mlflow_client.delete_trace_tag(trace, "a")
    tags = mlflow_client.get_trace(trace).info.tags
    assert "a" not in tags
    assert tags["b"] == "3"
    refused(lambda: mlflow_client.delete_trace_tag(trace, "a"), "RESOURCE_DOES_NOT_EXIST", "No trace tag with key 'a'")
    refused(
        lambda: mlflow_client.set_trace_tag("tr-nothing", "a", "1"),
        "RESOURCE_DOES_NOT_EXIST",
        "Trace with ID 'tr-nothing' not found",
    )
    store = mlflow_client._tracing_client.store
    refused(
        lambda: store.set_trace_tag(trace, "mlflow.trace.spansLocation", "x"), "INVALID_PARAMETER_VALUE", "immutable"
    )


def test_assessments(mlflow_client, experiment, make):
    trace = make("judged")
    judge = AssessmentSource("LLM_JUDGE", "a-judge")
    human = AssessmentSource("HUMAN", "bob")
    good = mlflow.log_feedback(
        trace_id=trace, name="good", value=True, source=judge, rationale="fine", metadata={"k": "v"}
    )
    score = mlflow.log_feedback(trace_id=trace, name="score", value=0.7, source=judge)
    mlflow.log_feedback(trace_id=trace, name="broken", error=RuntimeError("boom"), source=judge)
    mlflow.log_expectation(trace_id=trace, name="answer", value={"text": "42", "n": [1, 2]}, source=human)
    by_name = {one.name: one for one in mlflow.get_trace(trace).info.assessments}
    assert by_name["good"].value is True
    assert (by_name["good"].rationale, by_name["good"].metadata) == ("fine", {"k": "v"})
    assert by_name["score"].source.source_type == "LLM_JUDGE"
    assert by_name["broken"].error.error_message == "boom"
    assert by_name["answer"].value == {"text": "42", "n": [1, 2]}
    assert by_name["answer"].source.source_id == "bob"

    better = mlflow.override_feedback(trace_id=trace, assessment_id=good.assessment_id, value=False, source=human)
    assert mlflow.get_assessment(trace, good.assessment_id).valid is False
    assert mlflow.get_assessment(trace, better.assessment_id).overrides == good.assessment_id

    def found(filter_string):
        return ids(mlflow_client.search_traces(locations=[experiment], filter_string=filter_string))

    other = make("other")
    assert found("feedback.good = 'false'") == [trace]
    assert found("feedback.good = 'true'") == []
    assert found("feedback.score > 0.5 AND feedback.score <= 0.7") == [trace]
    assert found("feedback.score > 0.7") == []
    assert found("feedback.score IS NULL") == [other]
    assert found("expectation.answer LIKE '%42%'") == [trace]

    mlflow.delete_assessment(trace, better.assessment_id)
    assert mlflow.get_assessment(trace, good.assessment_id).valid is True
    changed = mlflow.update_assessment(
        trace_id=trace, assessment_id=score.assessment_id, assessment=mlflow.entities.Feedback(name="score", value=0.9)
    )
    assert changed.value == 0.9
    assert mlflow.get_assessment(trace, score.assessment_id).value == 0.9
    refused(
        lambda: mlflow.get_assessment(trace, better.assessment_id), "RESOURCE_DOES_NOT_EXIST", better.assessment_id
    )
    refused(
        lambda: mlflow.log_feedback(trace_id="tr-nothing", name="x", value=1), "RESOURCE_DOES_NOT_EXIST", "tr-nothing"
    )


def test_feedback_on_a_conversation_holds_for_all_its_traces(mlflow_client, experiment):
    made = []
    for session in ("talk", "talk", "else"):
        with mlflow.start_span("turn") as span:
            mlflow.update_current_trace(metadata={"mlflow.trace.session": session})
        made.append(span.trace_id)
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(
        trace_id=made[0], name="polite", value="yes", metadata={"mlflow.trace.session": "talk"}
    )
    found = mlflow_client.search_traces(locations=[experiment], filter_string="feedback.polite = 'yes'")
    assert set(ids(found)) == set(made[:2])


def test_delete(mlflow_client, experiment, make):
    one, two, three = make("one"), make("two"), make("three")
    assert mlflow_client.delete_traces(experiment, trace_ids=[two, "tr-nothing"]) == 1
    assert mlflow_client.delete_traces(experiment, max_timestamp_millis=10**15, max_traces=1) == 1
    assert ids(mlflow_client.search_traces(locations=[experiment])) == [three]
    refused(
        lambda: mlflow_client._tracing_client.get_trace_info(one), "RESOURCE_DOES_NOT_EXIST", f"'{one}' not found"
    )
    assert mlflow_client.delete_traces(experiment, max_timestamp_millis=10**15) == 1
    assert mlflow_client.delete_traces(experiment, max_timestamp_millis=10**15) == 0


def test_files_beside_a_trace_come_and_go_with_it(server, mlflow_client, experiment):
    with mlflow.start_span("seen") as span:
        picture = Attachment(content_type="image/png", content_bytes=b"a picture")
        span.set_inputs({"picture": picture})
    mlflow.flush_trace_async_logging()

    def fetch(path):
        url = f"{server.http_url}/ajax-api/3.0/mlflow/get-trace-artifact"
        return requests.get(url, params={"request_id": span.trace_id, "path": path}, auth=server.auth, timeout=30)

    assert fetch(picture.id).content == b"a picture"
    for path, status in [("../traces.json", 400), ("x", 400), ("0" * 8 + picture.id[8:], 404)]:
        assert fetch(path).status_code == status, path
    folder = f"{experiment}/traces/{span.trace_id}"
    objects = server.s3()
    # The client adds its spans as a file where it registers the trace before they have arrived.
    kept = [item["Key"] for item in objects.list_objects_v2(Bucket="mlflow", Prefix=folder)["Contents"]]
    assert [key for key in kept if not key.endswith("traces.json")] == [f"{folder}/artifacts/attachments/{picture.id}"], kept
    # Where the files are is no matter of a tag that anyone may change.
    mlflow_client.set_trace_tag(span.trace_id, "mlflow.artifactLocation", "mlflow-artifacts:/")
    assert mlflow_client.delete_traces(experiment, trace_ids=[span.trace_id]) == 1
    assert objects.list_objects_v2(Bucket="mlflow", Prefix=folder)["KeyCount"] == 0
    assert fetch(picture.id).status_code == 404


def test_a_deleted_experiment_takes_no_traces(mlflow_client, make, experiment):
    make("before")
    mlflow_client.delete_experiment(experiment)
    store = mlflow_client._tracing_client.store
    refused(
        lambda: store.deprecated_start_trace_v2(experiment, 1, {}, {}), "INVALID_PARAMETER_VALUE", "'active' state"
    )


def test_the_second_version_of_the_api(mlflow_client, experiment):
    store = mlflow_client._tracing_client.store
    started = store.deprecated_start_trace_v2(experiment, 1000, {"m1": "a", "m2": "b"}, {"t1": "x", "t2": "y"})
    assert (started.status, started.execution_time_ms) == ("IN_PROGRESS", 0)
    ended = store.deprecated_end_trace_v2(started.request_id, 3000, TraceStatus.OK, {"m1": "c", "m3": "d"}, {"t1": "z"})
    assert (ended.timestamp_ms, ended.execution_time_ms, ended.status) == (1000, 2000, "OK")
    assert ended.request_metadata == {"m1": "c", "m2": "b", "m3": "d"}
    assert {key: value for key, value in ended.tags.items() if not key.startswith("mlflow.")} == {"t1": "z", "t2": "y"}


# --- OpenTelemetry's door


def test_spans_of_any_sender(mlflow_client, experiment, export):
    trace = os.urandom(16)
    body = otlp_request(trace).SerializeToString()
    for sent, encoding in [(body, None), (gzip.compress(body), "gzip"), (zlib.compress(body), "deflate")]:
        answer = export(sent, experiment, Content_Encoding=encoding)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-protobuf"), answer.text
        ExportTraceServiceResponse().ParseFromString(answer.content)
    found = mlflow_client.get_trace(f"tr-{trace.hex()}")
    assert (found.info.request_time, found.info.execution_duration, found.info.state) == (1000, 2000, TraceState.OK)
    assert found.info.tags["service.name"] == "a-service"
    assert len(found.data.spans) == 1


def test_spans_in_json(mlflow_client, experiment, export):
    trace = os.urandom(16).hex()
    span = {"traceId": trace, "spanId": "00" * 7 + "01", "name": "j", "startTimeUnixNano": "1000000"}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    assert export(body, experiment, Content_Type="application/json").status_code == 200
    assert mlflow_client.get_trace(f"tr-{trace}").data.spans[0].name == "j"


def test_many_traces_in_one_request(mlflow_client, experiment, export):
    request = ExportTraceServiceRequest()
    for number in range(15):
        request.resource_spans.extend(otlp_request(number.to_bytes(2, "big") + os.urandom(14)).resource_spans)
    run = mlflow_client.create_run(experiment).info.run_id
    assert export(request.SerializeToString(), experiment, x_mlflow_run_id=run).status_code == 200
    found = mlflow_client.search_traces(locations=[experiment], filter_string=f"run_id = '{run}'")
    assert len(found) == 15


def test_a_body_that_is_no_export_is_refused(experiment, export):
    good = otlp_request().SerializeToString()
    for body, headers, status, words in [
        (good, {"x_mlflow_experiment_id": None}, 422, "Field required"),
        (b"no protobuf at all", {}, 400, "Invalid OpenTelemetry format"),
        (b"", {}, 400, "no spans found"),
        (good, {"Content_Type": "text/plain"}, 400, "Invalid Content-Type: text/plain"),
        (good, {"Content_Type": "application/json"}, 400, "Invalid Content-Type"),
        (good, {"Content_Encoding": "br"}, 400, "Unsupported Content-Encoding: br"),
        (good, {"Content_Encoding": "gzip"}, 400, "Failed to decompress gzip payload"),
        (otlp_request(span_id=b"").SerializeToString(), {}, 422, "Cannot convert OpenTelemetry span"),
        (otlp_request(trace_id=b"x" * 17).SerializeToString(), {}, 422, "Cannot convert OpenTelemetry span"),
        (good, {"x_mlflow_experiment_id": "no-number"}, 400, "INVALID_PARAMETER_VALUE"),
        (good, {"x_mlflow_experiment_id": "999999"}, 404, "RESOURCE_DOES_NOT_EXIST"),
    ]:
        answer = export(body, **({"experiment": experiment} | headers))
        assert answer.status_code == status, (headers, answer.text)
        assert words in answer.text, (headers, answer.text)


def test_bad_input_is_a_clients_mistake(server, experiment):
    def send(method, path, body):
        url = f"{server.http_url}/api/3.0/mlflow/traces{path}"
        return requests.request(method, url, json=body, auth=server.auth, timeout=30)

    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": "t", "trace_location": location}
    for method, path, body, status in [
        ("POST", "", {}, 400),
        ("POST", "", {"trace": {"trace_info": {"trace_id": "x"}}}, 400),
        ("POST", "", {"trace": {"trace_info": info | {"request_time": "yesterday"}}}, 400),
        ("POST", "", {"trace": {"trace_info": info | {"execution_duration": "5"}}}, 400),
        ("POST", "", {"trace": {"trace_info": info | {"tags": {"a": 1}}}}, 400),
        ("POST", "", {"trace": {"trace_info": info | {"state": "MELTED"}}}, 400),
        ("POST", "", {"trace": {"trace_info": info | {"assessments": [{"assessment_name": "x"}]}}}, 400),
        ("POST", "/search", {}, 400),
        ("POST", "/search", {"locations": [location], "max_results": 0}, 400),
        ("POST", "/search", {"locations": [{"mlflow_experiment": {"experiment_id": "x"}}]}, 400),
        ("GET", "/batchGet", None, 400),
        ("POST", "/delete-traces", {"experiment_id": experiment}, 400),
        ("POST", "/delete-traces", {"experiment_id": experiment, "request_ids": ["a"], "max_traces": 1}, 400),
        ("POST", "/t/assessments", {}, 400),
        ("POST", "/t/assessments", {"assessment": {"assessment_name": "x"}}, 400),
        ("POST", "/none/assessments", {"assessment": {"assessment_name": "x", "feedback": {"value": 1}}}, 404),
        ("GET", "/none", None, 404),
        ("GET", "/get?trace_id=none", None, 404),
        ("PATCH", "/none/tags", {"key": "a", "value": "b"}, 404),
    ]:
        answer = send(method, path, body)
        assert answer.status_code == status, (method, path, body, answer.text)
        assert set(answer.json()) == {"error_code", "message"}

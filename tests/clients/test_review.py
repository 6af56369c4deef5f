"""Review by people through the real mlflow client: the questions of an experiment, and queues of traces."""

import os

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.genai import label_schemas as questions
from mlflow.genai import review_queues as queues
from mlflow.genai.label_schemas import InputCategorical, InputNumeric, InputPassFail, InputText


@pytest.fixture
def experiment(mlflow_client, request):
    return mlflow.set_experiment(f"{request.node.name}-{os.urandom(4).hex()}").experiment_id


def refused(call, code, words):
    with pytest.raises(MlflowException) as caught:
        call()
    assert (caught.value.error_code, words in str(caught.value)) == (code, True), caught.value


def traces(count):
    """The ids of new traces in the experiment that is set."""
    ids = []
    for number in range(count):
        with mlflow.start_span(name=f"question {number}") as span:
            ids.append(span.trace_id)
    mlflow.flush_trace_async_logging()
    return ids


def test_questions_of_every_kind_come_back_as_they_were_asked(experiment):
    asked = {
        "correct": InputPassFail(positive_label="Right", negative_label="Wrong"),
        "tone": InputCategorical(options=["warm", "cold"], multi_select=True),
        "score": InputNumeric(min_value=0.0, max_value=5.0),
        "expected": InputText(max_length=80),
    }
    for name, answer in asked.items():
        kind = "expectation" if name == "expected" else "feedback"
        made = questions.create_label_schema(name=name, type=kind, input=answer, instruction="Look.", enable_comment=True)
        found = questions.get_label_schema(schema_id=made.schema_id)
        assert (found.name, found.type.value, found.input) == (name, kind, answer)
        assert (found.instruction, found.enable_comment, found.is_default) == ("Look.", True, False)
        assert questions.get_label_schema(experiment_id=experiment, name=name).schema_id == made.schema_id
    listed = questions.list_label_schemas(experiment_id=experiment)
    assert {one.name for one in listed} == {*asked, "Feedback"}
    (default,) = [one for one in listed if one.is_default]
    assert (default.name, default.input) == ("Feedback", InputText())


def test_questions_come_in_pages(experiment, mlflow_client):
    for number in range(4):
        questions.create_label_schema(name=f"q{number}", type="feedback", input=InputText())
    store = mlflow_client._tracking_client.store
    seen, token = [], None
    while token != "":
        page = store.list_label_schemas(experiment, max_results=2, page_token=token or None)
        assert len(page) <= 2
        seen += [one.name for one in page]
        token = page.token or ""
    assert sorted(seen) == ["Feedback", "q0", "q1", "q2", "q3"]


def test_a_question_changes_its_words_but_not_its_kind(experiment):
    made = questions.create_label_schema(name="tone", type="feedback", input=InputCategorical(options=["a"]))
    changed = questions.update_label_schema(schema_id=made.schema_id, name="mood", input=InputCategorical(options=["a", "b"]))
    assert (changed.name, changed.input.options) == ("mood", ["a", "b"])
    assert changed.updated_at >= made.created_at
    refused(
        lambda: questions.update_label_schema(schema_id=made.schema_id, input=InputText()),
        "INVALID_PARAMETER_VALUE",
        "input type cannot be changed after creation (existing: InputCategorical, got: InputText)",
    )
    again = lambda: questions.create_label_schema(name="mood", type="feedback", input=InputText())
    refused(again, "RESOURCE_ALREADY_EXISTS", "Label schema with name 'mood' already exists")
    (default,) = [one for one in questions.list_label_schemas() if one.is_default]
    delete = lambda: questions.delete_label_schema(schema_id=default.schema_id)
    refused(delete, "INVALID_PARAMETER_VALUE", "default question cannot be deleted")
    questions.delete_label_schema(schema_id=made.schema_id)
    refused(lambda: questions.get_label_schema(schema_id=made.schema_id), "RESOURCE_DOES_NOT_EXIST", "not found")
    questions.delete_label_schema(schema_id=made.schema_id)


def test_a_queue_is_worked_through(experiment, server):
    question = questions.create_label_schema(name="correct", type="feedback", input=InputText())
    queue = queues.create_review_queue(
        "Morning", queue_type="custom", users=["Ana", "ben ", "ANA"], schema_ids=[question.schema_id]
    )
    assert (queue.users, queue.schema_ids, queue.created_by) == (["ana", "ben"], [question.schema_id], server.user)
    ids = traces(3)
    items = queues.add_items_to_review_queue(queue.queue_id, item_ids=[*ids, ids[0]])
    assert [(one.item_id, one.status.value) for one in items] == [(id, "pending") for id in ids]
    done = queues.set_review_queue_item_status(queue.queue_id, item_id=ids[1], status="complete", completed_by="somebody")
    # Who is signed in did it, whatever the client says.
    assert (done.status.value, done.completed_by) == ("complete", server.user)
    assert done.completed_time_ms
    waiting = queues.list_review_queue_items(queue.queue_id, status="pending")
    assert {one.item_id for one in waiting} == {ids[0], ids[2]}
    again = queues.add_items_to_review_queue(queue.queue_id, item_ids=[ids[1]])
    assert again[0].status.value == "complete"
    opened = queues.set_review_queue_item_status(queue.queue_id, item_id=ids[1], status="pending")
    assert (opened.status.value, opened.completed_by, opened.completed_time_ms) == ("pending", None, None)

    assert [one.name for one in queues.list_review_queues(user="BEN")] == ["Morning"]
    assert list(queues.list_review_queues(user="carl")) == []
    locked = lambda: queues.update_review_queue(queue.queue_id, schema_ids=[])
    refused(locked, "INVALID_PARAMETER_VALUE", "questions are locked")
    queues.remove_items_from_review_queue(queue.queue_id, item_ids=ids[:2])
    # A trace that is deleted leaves the queue.
    mlflow.MlflowClient().delete_traces(experiment, trace_ids=[ids[2]])
    assert list(queues.list_review_queue_items(queue.queue_id)) == []
    changed = queues.update_review_queue(queue.queue_id, name="Evening", users=[], schema_ids=[], new_owner="ben")
    assert (changed.name, changed.users, changed.schema_ids, changed.created_by) == ("Evening", [], [], "ben")
    assert queues.get_review_queue(name="EVENING").queue_id == queue.queue_id
    queues.delete_review_queue(queue.queue_id)
    refused(lambda: queues.get_review_queue(queue.queue_id), "RESOURCE_DOES_NOT_EXIST", "not found")


def test_a_users_own_queue_is_made_once(experiment):
    own = queues.get_or_create_user_queue("Ana")
    assert (own.name, own.users, own.queue_type.value, own.created_by) == ("ana", ["ana"], "user", "ana")
    assert queues.get_or_create_user_queue("ANA").queue_id == own.queue_id
    fixed = lambda: queues.update_review_queue(own.queue_id, name="other")
    refused(fixed, "INVALID_PARAMETER_VALUE", "are fixed and cannot be updated")
    queues.create_review_queue("Carl", queue_type="custom")
    refused(lambda: queues.get_or_create_user_queue("carl"), "RESOURCE_ALREADY_EXISTS", "A non-user queue named 'carl'")


@pytest.mark.parametrize(
    "make, code, words",
    [
        (lambda: queues.create_review_queue("Default", queue_type="custom"), "INVALID_PARAMETER_VALUE", "reserved"),
        (lambda: queues.create_review_queue("x", queue_type="custom", schema_ids=["ls-no"]), "INVALID_PARAMETER_VALUE", "['ls-no'] not found"),
        (lambda: queues.create_review_queue("x", queue_type="custom", users=[f"u{n}" for n in range(11)]), "INVALID_PARAMETER_VALUE", "at most 10"),
        (lambda: queues.create_review_queue("x", queue_type="user", users=["y"]), "INVALID_PARAMETER_VALUE", "exactly one assigned user"),
        (lambda: queues.get_review_queue("rq-no"), "RESOURCE_DOES_NOT_EXIST", "Review queue with id 'rq-no' not found."),
    ],
)
def test_what_no_queue_can_be(experiment, make, code, words):
    refused(make, code, words)


def test_a_trace_of_another_experiment_does_not_wait_here(experiment):
    (foreign,) = traces(1)
    mlflow.set_experiment(f"other-{os.urandom(4).hex()}")
    queue = queues.create_review_queue("here", queue_type="custom")
    add = lambda: queues.add_items_to_review_queue(queue.queue_id, item_ids=[foreign])
    refused(add, "RESOURCE_DOES_NOT_EXIST", f"Cannot attach trace(s) ['{foreign}']")

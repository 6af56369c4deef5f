"""A pytest plugin for `s3_tests.py`: runs one share of the suite, and writes down what came of each test.

S3_TESTS_CLASSES is "one" to leave out copies from or to another storage class than STANDARD.
S3_TESTS_SHARE is "i/n": this process runs every n-th test, from the i-th. S3_TESTS_RESULTS is a file
that gets one JSON line a test.
"""

import json
import os

import pytest

OUTCOMES = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    if os.environ.get("S3_TESTS_CLASSES") == "one":
        config.hook.pytest_deselected(items=[item for item in items if between_classes(item)])
        items[:] = [item for item in items if not between_classes(item)]
    mine, of = map(int, os.environ.get("S3_TESTS_SHARE", "0/1").split("/"))
    config.hook.pytest_deselected(items=[item for at, item in enumerate(items) if at % of != mine])
    items[:] = items[mine::of]


def between_classes(item) -> bool:
    copies = item.name.startswith(("test_copy_enc[", "test_copy_part_enc["))
    return copies and "-STANDARD-STANDARD-" not in item.name


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    entry = OUTCOMES.setdefault(item.nodeid, first(item))
    entry["seconds"] += call.duration
    # A failed set-up or clean-up fails the test; a skip is not a pass.
    if report.failed and entry["outcome"] != "failed":
        entry |= {"outcome": "failed", "reason": reason(report, call)}
    elif report.skipped and entry["outcome"] == "passed":
        entry |= {"outcome": "skipped", "reason": str(call.excinfo.value) if call.excinfo else ""}
    if report.when == "teardown":
        with open(os.environ["S3_TESTS_RESULTS"], "a") as results:
            results.write(json.dumps(entry) + "\n")
    return report


def first(item) -> dict:
    return {
        "name": item.name,
        "file": item.path.name,
        "markers": sorted({mark.name for mark in item.iter_markers()}),
        "outcome": "passed",
        "reason": "",
        "seconds": 0.0,
    }


def reason(report, call) -> str:
    """The error in one line, and the line of the suite it came from."""
    error = call.excinfo
    text = " ".join(str(error.value).split()) or "assertion failed"
    suite = [entry for entry in error.traceback if "s3tests" in str(entry.path)]
    line = f"{suite[-1].path.name}:{suite[-1].lineno + 1}" if suite else "outside the suite"
    when = "" if report.when == "call" else f"in {report.when}: "
    return f"{when}{error.typename}: {text[:300]} [{line}]"

"""Logs of tasks that write more than is kept: the beginning and the newest part stay, and what is missing is told."""

import re

from conftest import eventually
from test_pipelines import begin, finished, put

LINES = 1_500_000  # of 100 bytes: 150 MB, of which 64 MiB are kept
WRITE = f"yes {'x' * 89} | head -n {LINES} | awk '{{printf \"%09d %s\\n\", NR, $0}}'"
MISSING = re.compile(r"^\[crannog\] \d+ MiB of the log are missing here: .*$", re.MULTILINE)


def pages(api, path, offset=0):
    """Every page from an offset to the end."""
    while True:
        page = api.get(f"{path}?offset={offset}").json()
        assert page["next_offset"] >= offset
        yield page["text"]
        if page["done"]:
            return
        offset = page["next_offset"]


def check(text):
    assert len(MISSING.findall(text)) == 1
    head, tail = MISSING.split(text)
    numbers = [[int(line[:9]) for line in part.strip().splitlines()] for part in (head, tail)]
    for part in numbers:
        assert part == list(range(part[0], part[-1] + 1)), "no line is cut or out of its order"
    assert numbers[0][0] == 1 and numbers[1][-1] == LINES
    assert 50 << 20 < len(text) < 65 << 20
    return numbers


def test_a_long_log_keeps_its_beginning_and_its_newest_part(server):
    api = server.api()
    yaml = f"name: flood\ntasks:\n  - id: a\n    run: |\n      {WRITE}\n"
    run = begin(api, "flood", yaml)
    path = f"/pipeline-runs/{run}/tasks/a/log"
    # Who follows from the beginning meets no line twice, and none out of its order, while segments go.
    seen, last = 0, 0
    for text in pages(api, path):
        numbers = [int(number) for number in re.findall(r"^(\d{9}) x+$", text, re.MULTILINE)]
        assert all(a < b for a, b in zip(numbers, numbers[1:])) and (not numbers or numbers[0] > last)
        last = numbers[-1] if numbers else last
        seen += len(numbers)
    assert last == LINES and seen >= 500_000
    assert finished(api, run)["state"] == "success"

    head, tail = check("".join(pages(api, path)))
    found = api.get(f"{path}/search?q={LINES:09}").json()
    assert found["total"] == 1 and found["lines"][0]["line"] == len(head) + 1 + len(tail)
    dropped = (head[-1] + tail[0]) // 2
    assert api.get(f"{path}/search?q={dropped:09}").json()["total"] == 0
    lost = api.get(f"{path}?offset={dropped * 100}").json()
    assert MISSING.match(lost["text"]) and lost["next_offset"] == (tail[0] - 1) * 100, "an offset that is gone leads on"

    s3 = server.s3()
    listed = eventually(
        lambda: s3.list_objects_v2(Bucket="pipeline-logs", Prefix="flood/").get("Contents")
        if "pipeline-logs" in [one["Name"] for one in s3.list_buckets()["Buckets"]]
        else None,
        timeout=90,
        what="the archive",
    )
    archived = s3.get_object(Bucket="pipeline-logs", Key=listed[0]["Key"])["Body"].read().decode()
    check(archived.split("<==\n", 1)[1])
    api.delete("/pipelines/flood")


def test_a_short_log_is_whole(server):
    api = server.api()
    put(api, "short", "name: short\ntasks: [{id: a, run: 'echo one; echo two'}]\n")
    run = api.post("/pipelines/short/runs", json={}).json()["id"]
    finished(api, run)
    assert "".join(pages(api, f"/pipeline-runs/{run}/tasks/a/log")) == "one\ntwo\n"

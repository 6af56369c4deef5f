"""Pipelines in a headless browser: the list, a run from graph to log, what can be done to it, the calendar, backfill."""

import re
from contextlib import contextmanager

import pytest
from conftest import eventually
from playwright.sync_api import expect
from test_browser import browser, page, sign_in, stranger  # noqa: F401 (fixtures)
from test_pipelines import begin, finished, put, run_of

# The pages ask for news every second or two, and a busy machine is slow.
expect.set_options(timeout=15_000)

STUDY = """
name: study
description: What the screens show
schedule: "15 6 * * *"
timezone: Europe/Berlin
params:
  rate: {type: number, default: 0.1, minimum: 0, maximum: 1, description: How fast it learns}
  mode: {type: string, default: fast, enum: [fast, full]}
  note: first
tasks:
  - {id: fetch, run: 'for n in $(seq 300); do echo line $n of the log; done; echo Needle here; echo rows=7 > $CRANNOG_OUTPUT'}
  - {id: train, needs: [fetch], run: 'echo rate {{ params.rate }}; test -e FLAG'}
  - {id: report, needs: [train], run: 'echo reported'}
"""


@pytest.fixture
def failed(server, tmp_path):
    """A run that failed half-way, and the file whose presence mends it."""
    api, flag = server.api(), tmp_path / "flag"
    run = finished(api, begin(api, "study", STUDY.replace("FLAG", str(flag))))
    assert run["state"] == "failed"
    return run["id"], flag


@contextmanager
def signed_in_at(server, browser, **context):  # noqa: F811
    """A page of another server, signed in as its admin."""
    own = browser.new_context(base_url=server.http_url, **context)
    try:
        look = own.new_page()
        look.goto("/login")
        sign_in(look, server.user, server.password)
        look.wait_for_url(lambda url: "/login" not in url)
        yield look
    finally:
        own.close()


def test_the_list_says_when_and_how_and_what_is_wrong(browser, private_server, tmp_path):  # noqa: F811
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "good.yaml").write_text("name: good\nschedule: '0 3 * * *'\ntasks: [{id: a, run: 'true'}]\n")
    (folder / "bad.yaml").write_text("name: bad\ntasks:\n  - id: a\n    run: 'true'\n    neds: [b]\n")
    server = private_server(args=["--pipelines-dir", folder])
    api = server.api()
    eventually(lambda: len(api.get("/pipelines").json()["pipelines"]) == 2, what="both files")
    finished(api, api.post("/pipelines/good/runs", json={}).json()["id"])
    with signed_in_at(server, browser) as look:
        look.goto("/pipelines")
        row = look.get_by_role("row").filter(has_text="good")
        expect(row).to_contain_text("03:00")
        expect(row.locator(".mark")).to_have_count(1)
        broken = look.get_by_role("row").filter(has_text="bad")
        expect(broken).to_contain_text("neds")
        expect(broken).to_contain_text("line 5")
        row.get_by_role("button", name="Pause good").click()
        expect(row).to_contain_text("Paused")
        assert api.get("/pipelines/good").json()["paused"] is True


def test_a_bad_text_is_shown_with_its_faults_and_edited_where_it_is(browser, private_server, tmp_path):  # noqa: F811
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "bad.yaml").write_text("name: bad\ntasks:\n  - id: a\n    run: 'true'\n    neds: [b]\n")
    (folder / "half.yaml").write_text("name: half\ntasks: [{id: a, run: 'true'}]\n")
    server = private_server(args=["--pipelines-dir", folder])
    api = server.api()
    eventually(lambda: len(api.get("/pipelines").json()["pipelines"]) == 2, what="both files")
    (folder / "half.yaml").write_text("name: half\ntasks: [{id: a, run: 'true', needs: [nobody]}]\n")
    eventually(lambda: api.get("/pipelines/half").json()["rejected"], what="the bad text")
    with signed_in_at(server, browser) as look:
        look.goto("/pipelines/bad?tab=definition")
        expect(look.locator(".code-line.wrong")).to_have_text(re.compile("neds: .b."))
        expect(look.locator(".code-fault")).to_contain_text("Line 5, column 5: unknown field")
        expect(look.locator(".skeleton")).to_have_count(0)
        expect(look.locator(".elsewhere")).to_contain_text(f"the file bad.yaml in {folder}")
        for word in ("Edit", "Delete"):
            expect(look.get_by_role("button", name=word, exact=True)).to_have_count(0)
        # Of one that was good once, the good text is the one that runs.
        look.goto("/pipelines/half?tab=definition")
        expect(look.locator(".code-fault")).to_contain_text("nobody")
        look.get_by_role("button", name="In use").click()
        expect(look.locator(".code")).not_to_contain_text("nobody")
        expect(look.get_by_role("button", name="Run now")).to_be_enabled()
    (folder / "bad.yaml").write_text("name: bad\ntasks:\n  - id: a\n    run: 'true'\n")
    eventually(lambda: api.get("/pipelines/bad").json()["error"] is None, what="the mended text")
    assert api.get("/pipelines/bad").json()["rejected"] is None


TOLD = """
name: told
schedule: "15 6 * * *"
timezone: Europe/Berlin
catchup: all
end_date: 2031-05-01
deadline: 2h
params:
  file: {type: string, default: none, description: Which object came}
triggers:
  - object_created: {bucket: BUCKET, prefix: in/, suffix: .csv}
    params: {file: "{{ event.key }}"}
  - model_version: {model: churn}
  - alias_moved: {model: churn, alias: champion}
  - run_finished: {pipeline: nightly, state: failed}
  - webhook: {}
tasks:
  - {id: a, group: reading, run: 'echo {{ params.file }}'}
"""


def test_what_starts_a_pipeline_is_told_and_what_did_start_a_run(page, server, s3, bucket):  # noqa: F811
    api = server.api()
    put(api, "told", TOLD.replace("BUCKET", bucket))
    page.goto("/pipelines/told")
    triggers = page.get_by_role("region", name="Triggers")
    expect(triggers.get_by_role("listitem")).to_have_count(5)
    for said in (
        f"an object is created in {bucket}/in/ whose name ends in .csv",
        "file = {{ event.key }}",
        "a version of model churn is registered",
        "alias champion of model churn is moved",
        "a run of nightly ends as failed",
        f"POST {server.http_url}/hooks/pipelines/told",
    ):
        expect(triggers).to_contain_text(said)
    expect(page.get_by_role("region", name="Parameters")).to_contain_text("string, default none")
    facts = page.locator(".facts").first
    for said in ("all missed runs are made up for", "2031-05-01 23:59:59 Europe/Berlin", "2 h after a run is made"):
        expect(facts).to_contain_text(said)
    expect(page.locator(".graph .frame")).to_have_text(re.compile("reading"))
    s3.put_object(Bucket=bucket, Key="in/a b.csv", Body=b"1,2\n")
    run = eventually(lambda: api.get("/pipelines/told/runs").json()["runs"], what="the run")[0]
    finished(api, run["id"])
    page.goto("/pipelines/told")
    expect(page.get_by_role("row").filter(has_text=run["id"])).to_contain_text("an object")
    page.goto(f"/pipeline-runs/{run['id']}")
    happened = page.get_by_role("region", name="What started it")
    expect(happened).to_contain_text("4 B")
    expect(page.locator(".crumbs")).to_have_text("Pipelines/told")
    happened.get_by_role("link", name=f"s3://{bucket}/in/a b.csv").click()
    expect(page.locator(".object-name")).to_contain_text("a b.csv")


def test_a_run_that_waits_has_not_started_and_one_that_is_late_says_so(page, server):  # noqa: F811
    api = server.api()
    first = begin(api, "late", "name: late\ndeadline: 1s\nmax_active_runs: 1\ntasks: [{id: a, run: sleep 600}]\n")
    second = begin(api, "late", "name: late\nmax_active_runs: 1\ntasks: [{id: a, run: 'true'}]\n")
    eventually(lambda: run_of(api, first)["deadline_missed"], what="the missed deadline")
    page.goto(f"/pipeline-runs/{first}")
    expect(page.locator("h1")).to_contain_text("Deadline missed")
    page.goto(f"/pipeline-runs/{second}")
    expect(page.locator(".facts").first).to_contain_text("Queued")
    expect(page.locator(".facts dt", has_text="Started")).to_have_text(["Started by"])
    page.goto("/pipelines/late")
    expect(page.get_by_role("row").filter(has_text=second)).to_contain_text("not yet, queued")
    expect(page.get_by_role("row").filter(has_text=first)).to_contain_text("Deadline missed")
    for run in (first, second):
        api.post(f"/pipeline-runs/{run}/cancel")
        finished(api, run)


LOUD = """
name: loud
tasks:
  - id: give
    run: |
      printf '\\033[31mred\\033[0m \\033[1;92mgreen\\033[0m plain\\n'
      python3 -c "import json; print(json.dumps({'rows': 7, 'table': ['x' * 50] * 9000}))" > $CRANNOG_OUTPUT
"""


def test_colours_and_large_outputs_are_shown_for_what_they_are(page, server):  # noqa: F811
    run = finished(server.api(), begin(server.api(), "loud", LOUD))
    assert run["state"] == "success", run
    page.goto(f"/pipeline-runs/{run['id']}")
    expect(page.locator(".log pre")).to_have_text("red green plain\n", use_inner_text=False)
    expect(page.locator(".log .ansi-red")).to_have_text("red")
    expect(page.locator(".log .ansi-green")).to_have_class("ansi-green ansi-bold")
    outputs = page.locator(".outputs")
    expect(outputs.get_by_role("row")).to_have_text(["rows7"])
    expect(outputs).to_contain_text("466 KiB")
    expect(outputs).not_to_contain_text("$stored")
    outputs.get_by_role("link").click()
    expect(page.locator(".object-name")).to_contain_text("1.json")


def test_a_phone_shows_when_and_how_and_brings_the_log(server, browser):  # noqa: F811
    api = server.api()
    run = finished(api, begin(api, "handy", STUDY.replace("study", "handy").replace("FLAG", "/nowhere")))["id"]
    with signed_in_at(server, browser, viewport={"width": 390, "height": 844}, has_touch=True) as phone:
        phone.goto("/pipelines?q=handy")
        row = phone.get_by_role("row").filter(has_text="handy")
        for seen in (row.get_by_text("every day at 06:15"), row.locator(".at-next time"), row.locator(".mark")):
            expect(seen).to_be_in_viewport()
        phone.goto("/pipelines/handy")
        expect(phone.locator(".page-head .actions button").first).to_have_text("Run now")
        row = phone.get_by_role("row").filter(has_text=run)
        row.scroll_into_view_if_needed()
        for seen in (row.locator(".at-start time"), row.locator(".at-took")):
            expect(seen).to_be_in_viewport()
        phone.goto(f"/pipeline-runs/{run}")
        phone.locator(".step-row", has_text="fetch").tap()
        expect(phone.locator(".log pre")).to_contain_text("line 300 of the log")
        expect(phone.locator(".log pre")).to_be_in_viewport(ratio=0.5)
        expect(phone.locator(".viewer h2")).to_be_in_viewport()


def test_run_now_offers_what_each_parameter_takes(page, server):  # noqa: F811
    put(server.api(), "study", STUDY.replace("FLAG", "/nowhere"))
    page.goto("/pipelines/study")
    page.get_by_role("button", name="Run now").click()
    form = page.get_by_role("dialog")
    rate = form.get_by_label("rate (number)")
    expect(rate).to_have_attribute("max", "1")
    expect(form).to_contain_text("How fast it learns")
    rate.fill("0.5")
    form.get_by_label("mode (string)").select_option("full")
    form.get_by_role("button", name="Run now").click()
    page.wait_for_url(re.compile("/pipeline-runs/"))
    run = run_of(server.api(), page.url.rsplit("/", 1)[1].split("?")[0])
    assert run["params"] == {"rate": "0.5", "mode": "full", "note": "first"}


def test_a_failed_run_shows_why_and_is_run_again_from_there(page, server, failed):  # noqa: F811
    run, flag = failed
    page.goto(f"/pipeline-runs/{run}")
    # What failed is what one came for.
    expect(page.locator(".viewer h2")).to_contain_text("train")
    expect(page.locator(".viewer .note.bad")).to_contain_text("exit code 1")
    expect(page.locator(".log pre")).to_contain_text("rate 0.1")
    expect(page.locator(".graph .node")).to_have_count(3)
    expect(page.locator(".timeline i")).to_have_count(2)
    flag.touch()
    page.get_by_role("button", name="Run again from here").click()
    expect(page.get_by_role("dialog")).to_contain_text("train, report")
    page.get_by_role("dialog").get_by_role("button", name="Run again").click()
    expect(page.locator("h1 .status")).to_have_text("Success")
    expect(page.get_by_role("button", name="try 2")).to_be_visible()
    page.get_by_role("button", name="try 1").click()
    expect(page.locator(".tries")).to_contain_text("exit code 1")


def test_a_log_is_searched_and_outputs_are_shown(page, failed):  # noqa: F811
    page.goto(f"/pipeline-runs/{failed[0]}?task=fetch")
    expect(page.locator(".outputs")).to_contain_text("rows")
    expect(page.locator(".log pre")).to_contain_text("line 300 of the log")
    page.get_by_label("Search the log").fill("needle")
    expect(page.locator(".log-line")).to_have_count(1)
    expect(page.locator(".log-line")).to_contain_text("301")
    expect(page.locator(".log-line mark")).to_have_text("Needle")
    page.get_by_label("Search the log").fill("nobody said this")
    expect(page.locator(".log-found")).to_have_text("No line has it.")


def test_a_waiting_step_says_why_and_can_be_marked(page, server):  # noqa: F811
    api = server.api()
    yaml = "name: waits\ntasks:\n  - {id: long, run: sleep 600}\n  - {id: after, needs: [long], run: 'true'}\n"
    run = begin(api, "waits", yaml)
    page.goto(f"/pipeline-runs/{run}?task=after")
    expect(page.locator(".viewer .note")).to_contain_text("Why it waits: waits for long")
    page.goto(f"/pipeline-runs/{run}?task=long")
    page.get_by_role("button", name="Mark success").click()
    page.get_by_role("dialog").get_by_role("button", name="Mark as success").click()
    expect(page.locator("h1 .status")).to_have_text("Success")
    run = begin(api, "waits", yaml)
    page.goto(f"/pipeline-runs/{run}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    expect(page.locator("h1 .status")).to_have_text("Cancelled")


def test_a_backfill_is_previewed_and_stands_in_the_calendar(page, server):  # noqa: F811
    api = server.api()
    name = "history"
    put(api, name, f"name: {name}\nschedule: '0 4 * * *'\ntasks: [{{id: a, run: 'true'}}]\n")
    page.goto(f"/pipelines/{name}")
    page.get_by_role("button", name="Backfill").click()
    form = page.get_by_role("dialog")
    form.get_by_label("From (UTC)").fill("2026-03-02")
    form.get_by_label("Until (UTC)").fill("2026-03-04")
    expect(form).to_contain_text("3 runs are missing")
    assert api.get(f"/pipelines/{name}/runs").json()["runs"] == [], "a preview makes nothing"
    form.get_by_role("button", name="Make 3 runs").click()
    expect(form).to_have_count(0)
    eventually(lambda: [one["state"] for one in api.get(f"/pipelines/{name}/runs").json()["runs"]] == ["success"] * 3)
    page.goto(f"/pipelines/{name}")
    for day in ("02", "03", "04"):
        expect(page.get_by_role("row").filter(has_text=f"2026-03-{day} 04:00")).to_contain_text("backfill")
    page.get_by_role("row").filter(has_text="2026-03-03").get_by_role("link").click()
    expect(page.locator(".facts").first).to_contain_text("Logical date2026-03-03 04:00 UTC")
    page.goto(f"/pipelines/{name}?tab=calendar&month=2026-03")
    expect(page.locator(".day")).to_have_count(31)
    expect(page.get_by_role("listitem", name="2026-03-03: 1 success")).to_be_visible()
    expect(page.get_by_role("listitem", name="2026-03-05: no runs")).to_be_visible()
    page.get_by_role("button", name="Today").click()
    expect(page.locator(".day.today")).to_have_count(1)


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_of_pipelines_is_wider_than_its_window(page, failed, width):  # noqa: F811
    page.set_viewport_size({"width": width, "height": 800})
    for path in ["/pipelines", "/pipelines/study", "/pipelines/study?tab=calendar", f"/pipeline-runs/{failed[0]}"]:
        page.goto(path)
        expect(page.get_by_role("heading").first).to_be_visible()
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path

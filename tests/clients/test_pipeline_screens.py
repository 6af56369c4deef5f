"""Pipelines in a headless browser: the list, a run from graph to log, what can be done to it, the calendar, backfill."""

import re

import pytest
from conftest import eventually
from playwright.sync_api import expect
from test_browser import browser, page, stranger  # noqa: F401 (fixtures)
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


def test_the_list_says_when_and_how_and_what_is_wrong(page, private_server, tmp_path):  # noqa: F811
    folder = tmp_path / "definitions"
    folder.mkdir()
    (folder / "good.yaml").write_text("name: good\nschedule: '0 3 * * *'\ntasks: [{id: a, run: 'true'}]\n")
    (folder / "bad.yaml").write_text("name: bad\ntasks:\n  - id: a\n    run: 'true'\n    neds: [b]\n")
    server = private_server(args=["--pipelines-dir", folder])
    api = server.api()
    eventually(lambda: len(api.get("/pipelines").json()["pipelines"]) == 2, what="both files")
    finished(api, api.post("/pipelines/good/runs", json={}).json()["id"])
    own = page.context.browser.new_context(base_url=server.http_url, http_credentials=None)
    try:
        look = own.new_page()
        look.goto("/login")
        look.locator("input[name=user]").fill(server.user)
        look.locator("input[name=password]").fill(server.password)
        look.locator("input[name=password]").press("Enter")
        look.wait_for_url(lambda url: "/login" not in url)
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
    finally:
        own.close()


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

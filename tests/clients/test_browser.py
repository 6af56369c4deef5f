"""A headless browser signs in and looks around; not one request leaves the server."""

import os
import re
import shutil

import numpy as np
import pytest
from conftest import FAILED, eventually
from playwright.sync_api import expect, sync_playwright

NAMES = ["chromium", "chromium-browser", "google-chrome"]
# Without these the browser itself calls home, which would drown what the pages do.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.fail("no chromium on this machine: `scripts/setup.sh browser`, or set CHROMIUM")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def seeded(server):
    """A run with a curve, its registered model behind an alias, and an endpoint that follows it."""
    import mlflow
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression

    x = np.random.default_rng(5).normal(size=(100, 3)).astype("float32")
    onnx = to_onnx(LogisticRegression().fit(x, x[:, 0] > 0), x[:1], options={"zipmap": False}, target_opset=18)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.env().items():
            patch.setenv(name, value)
        mlflow.set_tracking_uri(server.http_url)
        mlflow.set_registry_uri(server.http_url)
        mlflow.set_experiment("seen in a browser")
        with mlflow.start_run(run_name="look at me") as run:
            mlflow.log_params({"depth": 3, "solver": "lbfgs"})
            for step in range(20):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.onnx.log_model(
                onnx, name="model", registered_model_name="browsed", input_example=x[:2], pip_requirements=["onnxruntime"]
            )
        mlflow.MlflowClient().set_registered_model_alias("browsed", "production", "1")
    with server.api() as api:
        answer = api.put("/endpoints/browsed", json={"model": "models:/browsed@production"})
        assert answer.ok, answer.text
        eventually(lambda: api.get("/endpoints/browsed").json()["state"] == "ready", what="the endpoint's readiness")
    return run.info


@pytest.fixture
def stranger(browser, server, request, tmp_path):
    """A page nobody has signed in on; it leaves a screenshot behind when its test fails."""
    context = browser.new_context(base_url=server.http_url, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    outside, errors = [], []
    inside = (server.http_url, "data:", "blob:", "about:")
    page.on("request", lambda asked: asked.url.startswith(inside) or outside.append(asked.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    if request.node.stash.get(FAILED, False):
        page.screenshot(path=tmp_path / "failed.png", full_page=True)
        print(f"what the browser saw: {tmp_path / 'failed.png'}")
    context.close()
    assert outside == [], "a page asked another server"
    assert errors == [], "a script failed"


def sign_in(page, user, password):
    page.locator("input[name=user]").fill(user)
    page.locator("input[name=password]").fill(password)
    page.locator("input[name=password]").press("Enter")


@pytest.fixture
def page(stranger, server):
    """A page signed in as admin."""
    stranger.goto("/login")
    sign_in(stranger, server.user, server.password)
    stranger.wait_for_url(lambda url: "/login" not in url)
    return stranger


def test_a_stranger_is_sent_to_the_login_page_and_then_where_they_wanted(stranger, server):
    stranger.goto("/models")
    assert "/login" in stranger.url
    sign_in(stranger, server.user, "not the password")
    expect(stranger.locator("body")).to_contain_text(re.compile("password", re.IGNORECASE))
    assert "/login" in stranger.url
    sign_in(stranger, server.user, server.password)
    stranger.wait_for_url("**/models")
    expect(stranger.get_by_role("heading", name="Models").first).to_be_visible()


def test_home_leads_to_the_experiment_and_its_run(page, seeded):
    page.goto("/")
    expect(page.get_by_role("heading", name="Home").first).to_be_visible()
    page.goto(f"/experiments/{seeded.experiment_id}")
    page.get_by_role("link", name="look at me").first.click()
    page.wait_for_url(f"**/runs/{seeded.run_id}*")
    main = page.locator("main")
    expect(main).to_contain_text("solver")
    expect(main).to_contain_text("lbfgs")


def test_the_run_shows_its_curve(page, seeded):
    page.goto(f"/runs/{seeded.run_id}?tab=metrics")
    expect(page.locator("main")).to_contain_text("loss")
    canvas = page.locator("canvas").first
    expect(canvas).to_be_visible()
    # A chart that drew nothing is a canvas of one colour.
    colours = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    eventually(lambda: canvas.evaluate(colours) > 2, timeout=10, what="a drawn curve")


def test_the_links_that_mlflow_prints_lead_to_the_run(page, seeded):
    page.goto(f"/#/experiments/{seeded.experiment_id}/runs/{seeded.run_id}")
    page.wait_for_url(f"**/runs/{seeded.run_id}")
    expect(page.locator("main")).to_contain_text("lbfgs")


def test_the_model_shows_its_version_and_alias(page, seeded):
    page.goto("/models/browsed")
    main = page.locator("main")
    expect(main).to_contain_text("production")
    expect(main).to_contain_text("version 1")


def test_the_endpoint_is_ready_and_names_its_inputs(page, seeded):
    page.goto("/endpoints/browsed")
    main = page.locator("main")
    expect(main).to_contain_text(re.compile("ready", re.IGNORECASE))
    expect(main).to_contain_text("probabilities")


@pytest.mark.parametrize("path", ["/pipelines", "/data", "/endpoints", "/experiments", "/settings", "/docs"])
def test_every_other_screen_opens(page, path):
    page.goto(path)
    expect(page.get_by_role("heading").first).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("There is no page here")

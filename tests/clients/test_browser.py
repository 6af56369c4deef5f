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


@pytest.fixture
def shelves(server, s3, bucket):
    """A bucket that keeps versions, with one object of each kind a person may want to look into."""
    import pandas as pd

    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    frame = pd.DataFrame({"flight": ["EI104", "EI105"], "delay": [7.5, None]})
    for codec in ["snappy", "zstd", "gzip"]:
        s3.put_object(Bucket=bucket, Key=f"in/{codec}.parquet", Body=frame.to_parquet(compression=codec))
    s3.put_object(Bucket=bucket, Key="in/table.csv", Body=b"name,size\n\"a, b\",1\n", Tagging="team=ops")
    s3.put_object(Bucket=bucket, Key="in/note.json", Body=b'{"deep":{"er":1}}')
    s3.put_object(Bucket=bucket, Key="in/note.txt", Body=b"first words")
    s3.put_object(Bucket=bucket, Key="in/note.txt", Body=b"second words")
    return bucket


@pytest.mark.parametrize("codec", ["snappy", "zstd", "gzip"])
def test_parquet_is_read_in_the_browser(page, shelves, codec):
    page.goto(f"/data/{shelves}/in/?object=in/{codec}.parquet")
    main = page.locator("main")
    expect(main).to_contain_text(f"2 rows, 2 columns, 1 row group, {codec}")
    expect(page.get_by_role("cell", name="EI105")).to_be_visible()


def test_csv_and_json_are_shown_as_what_they_are(page, shelves):
    page.goto(f"/data/{shelves}/in/")
    page.get_by_role("link", name="table.csv", exact=True).click()
    expect(page.get_by_role("cell", name="a, b", exact=True)).to_be_visible()
    page.get_by_role("link", name="note.json", exact=True).click()
    expect(page.locator(".preview-text")).to_have_text('{\n  "deep": {\n    "er": 1\n  }\n}')


def test_an_older_version_is_looked_at_and_restored(page, s3, shelves):
    page.goto(f"/data/{shelves}/in/?object=in/note.txt")
    expect(page.locator(".preview-text")).to_have_text("second words")
    page.get_by_role("button", name="Versions", exact=True).click()
    page.get_by_role("button", name="Restore in/note.txt from version").click()
    expect(page.get_by_role("button", name=re.compile("^Delete version"))).to_have_count(3)
    assert s3.get_object(Bucket=shelves, Key="in/note.txt")["Body"].read() == b"first words"


def test_a_selection_is_deleted_and_a_delete_marker_taken_away(page, s3, shelves):
    page.goto(f"/data/{shelves}/in/")
    page.get_by_label("Select note.txt").check()
    page.get_by_label("Select note.json").check()
    page.get_by_role("group", name="Selected objects").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 objects")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("link", name="note.txt", exact=True)).to_have_count(0)
    page.get_by_role("switch", name="Show versions").check()
    page.locator("tr", has_text="note.txt").filter(has_text="Delete marker").get_by_role("button", name="Restore").click()
    expect(page.locator("tr", has_text="note.txt").filter(has_text="Delete marker")).to_have_count(0)
    assert s3.get_object(Bucket=shelves, Key="in/note.txt")["Body"].read() == b"second words"


def test_files_and_folders_are_uploaded_with_their_names(page, s3, shelves, tmp_path):
    (tmp_path / "up/deep").mkdir(parents=True)
    (tmp_path / "up/a.txt").write_text("a")
    (tmp_path / "up/deep/ü.csv").write_text("x,y")
    (tmp_path / "large.bin").write_bytes(os.urandom(70 << 20))
    page.goto(f"/data/{shelves}")
    page.locator("label", has_text="Upload folder").locator("input").set_input_files(tmp_path / "up")
    page.locator("label", has_text=re.compile("^Upload$")).locator("input").set_input_files(tmp_path / "large.bin")
    expect(page.get_by_label("Uploads", exact=True).get_by_role("status")).to_have_text("3 files stored", timeout=30_000)
    expect(page.get_by_role("link", name="large.bin", exact=True)).to_be_visible()
    assert s3.get_object(Bucket=shelves, Key="up/deep/ü.csv")["Body"].read() == b"x,y"
    # Large files go in parts.
    assert s3.head_object(Bucket=shelves, Key="large.bin")["ETag"].strip('"').endswith("-3")


def test_a_link_is_made_and_works_for_anybody(page, shelves):
    import requests

    page.goto(f"/data/{shelves}/in/?object=in/note.txt")
    page.get_by_role("button", name="Share").click()
    page.get_by_label("Lives for").select_option("7 days")
    page.get_by_role("button", name="Make the link").click()
    assert requests.get(page.get_by_role("textbox", name="Link").input_value(), timeout=10).text == "second words"


def test_a_document_is_refused_in_place_and_then_set(page, s3, shelves):
    page.goto(f"/data/{shelves}?view=settings")
    page.get_by_role("button", name="Set Cross-origin access").click()
    dialog = page.get_by_role("dialog")
    editor = dialog.get_by_role("textbox")
    editor.fill('{"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["FLY"]}]}')
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("FLY")
    editor.fill(editor.input_value().replace("FLY", "GET"))
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit Cross-origin access")).to_be_visible()
    assert s3.get_bucket_cors(Bucket=shelves)["CORSRules"][0]["AllowedMethods"] == ["GET"]


def test_a_bucket_is_made_and_deleted_with_what_is_in_it(page, s3):
    page.goto("/data")
    page.get_by_role("button", name="New bucket").click()
    making = page.get_by_role("dialog")
    making.get_by_role("textbox").fill("made-in-a-browser")
    making.get_by_label("Keep versions").check()
    making.get_by_role("button", name="Create").click()
    page.wait_for_url("**/data/made-in-a-browser")
    assert s3.get_bucket_versioning(Bucket="made-in-a-browser")["Status"] == "Enabled"
    s3.put_object(Bucket="made-in-a-browser", Key="a", Body=b"a")
    page.goto("/data/made-in-a-browser?view=settings")
    page.get_by_role("button", name="Delete", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Delete", exact=True)).to_be_disabled()
    dialog.get_by_role("textbox").fill("made-in-a-browser")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    page.wait_for_url("**/data")
    assert "made-in-a-browser" not in [found["Name"] for found in s3.list_buckets()["Buckets"]]


def test_an_artifact_names_who_refers_to_it(page, api, seeded):
    objects = api.get("/buckets/mlflow/objects").json()["objects"]
    key = next(found["key"] for found in objects if found["key"].endswith("/MLmodel"))
    folder = key.rsplit("/", 1)[0]
    page.goto(f"/data/mlflow/{folder}/?object={key}&tab=details")
    main = page.locator("main")
    for name in ["seen in a browser", "look at me", "browsed version 1"]:
        expect(main.get_by_role("link", name=name)).to_be_visible()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("path", ["", "in/", "in/?versions=1", "in/?object=in/table.csv&tab=details", "?view=settings"])
def test_no_page_of_a_bucket_is_wider_than_its_window(page, shelves, path, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(f"/data/{shelves}/{path}")
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("path", ["/pipelines", "/data", "/endpoints", "/experiments", "/settings", "/docs"])
def test_every_other_screen_opens(page, path):
    page.goto(path)
    expect(page.get_by_role("heading").first).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("There is no page here")

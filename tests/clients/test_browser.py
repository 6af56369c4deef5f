"""A headless browser signs in and looks around; not one request leaves the server."""

import os
import re
import shutil

import numpy as np
import pytest
from conftest import FAILED, eventually, pointed_at
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
    with pointed_at(server) as client:
        mlflow.set_experiment("seen in a browser")
        with mlflow.start_run(run_name="look at me") as run:
            mlflow.log_params({"depth": 3, "solver": "lbfgs"})
            for step in range(20):
                mlflow.log_metric("loss", 1 / (step + 1), step=step)
            mlflow.onnx.log_model(
                onnx, name="model", registered_model_name="browsed", input_example=x[:2], pip_requirements=["onnxruntime"]
            )
        client.set_registered_model_alias("browsed", "production", "1")
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


def grants_of(s3, bucket):
    grants = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    return {(grant["Grantee"].get("URI", grant["Grantee"].get("ID", "")).rsplit("/", 1)[-1], grant["Permission"]) for grant in grants}


def test_an_access_list_is_opened_refused_and_made_private_again(page, s3, shelves):
    owner = {("crannog", "FULL_CONTROL")}
    page.goto(f"/data/{shelves}?view=settings")
    page.get_by_role("button", name="Edit access list").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Open to").select_option("public-read")
    dialog.get_by_role("button", name="Add a grant").click()
    dialog.get_by_label("Account id").fill("nobody-of-that-name")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    assert grants_of(s3, shelves) == owner
    dialog.get_by_role("button", name="Remove grant 2").click()
    dialog.get_by_role("button", name="Save").click()
    row = page.get_by_role("region", name="Access list").get_by_role("row")
    expect(row.filter(has_text="Everybody")).to_contain_text("list the bucket")
    assert grants_of(s3, shelves) == owner | {("AllUsers", "READ")}
    page.get_by_role("button", name="Edit access list").click()
    dialog.get_by_label("Open to").select_option("private")
    dialog.get_by_role("button", name="Save").click()
    expect(row.filter(has_text="Everybody")).to_have_count(0)
    assert grants_of(s3, shelves) == owner


def test_where_access_lists_are_off_the_page_says_so(page, s3, shelves):
    controls = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    s3.put_bucket_ownership_controls(Bucket=shelves, OwnershipControls=controls)
    page.goto(f"/data/{shelves}?view=settings")
    expect(page.get_by_text("access lists are off")).to_be_visible()
    expect(page.get_by_role("button", name="Edit access list")).to_have_count(0)
    s3.delete_bucket_ownership_controls(Bucket=shelves)


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
    under = {"prefix": f"{seeded.experiment_id}/"}
    objects = api.get("/buckets/mlflow/objects", params=under).json()["objects"]
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


@pytest.fixture(scope="module")
def sweep(server):
    """More runs than a screen or a page of the list holds, some alike and some not."""
    from concurrent.futures import ThreadPoolExecutor

    with server.api() as api:

        def post(route, body):
            answer = api.post(f"{server.http_url}/api/2.0/mlflow/{route}", json=body)
            assert answer.ok, answer.text
            return answer.json()

        experiment = post("experiments/create", {"name": "a sweep"})["experiment_id"]

        def run(number):
            body = {"experiment_id": experiment, "run_name": f"sweep-{number:04}", "start_time": 1_700_000_000_000 + number}
            return post("runs/create", body)["run"]["info"]["run_id"]

        with ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(run, range(SWEEP)))
        for number, run_id in enumerate(ids[-4:]):
            metrics = [{"key": "loss", "value": 1 / (step + 1 + number), "step": step, "timestamp": step} for step in range(10)]
            params = [{"key": "depth", "value": str(number % 2)}, {"key": "seed", "value": "7"}]
            post("runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": params})
            post("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": 1_700_000_100_000})
    return f"/experiments/{experiment}", ids


SWEEP = 1_600


def test_a_filter_is_completed_refused_in_place_and_kept_in_the_address(page, sweep):
    path, _ = sweep
    page.goto(path)
    expect(page.get_by_role("link", name=f"sweep-{SWEEP - 1:04}")).to_be_visible()
    box = page.get_by_role("combobox", name="Filter runs")
    box.press_sequentially("params.dep")
    page.get_by_role("option", name="params.depth").click()
    expect(box).to_have_value("params.depth ")
    box.press_sequentially("= ")
    expect(page.locator("main").get_by_role("alert")).to_contain_text("Invalid clause(s) in filter string")
    page.get_by_role("option", name="'1'").click()
    expect(page.get_by_role("status").filter(has_text="2 runs")).to_be_visible()
    expect(page.locator("main").get_by_role("alert")).to_have_count(0)
    page.reload()
    expect(box).to_have_value("params.depth = '1' ")
    expect(page.get_by_role("status").filter(has_text="2 runs")).to_be_visible()


def test_columns_groups_and_order_are_kept_in_the_address(page, sweep):
    page.goto(f"{sweep[0]}?filter=params.seed+%3D+%277%27")
    page.get_by_role("button", name="Columns").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("seed", exact=True).uncheck()
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_role("columnheader", name="seed")).to_have_count(0)
    page.get_by_role("columnheader", name="loss").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="loss")).to_have_attribute("aria-sort", "descending")
    page.get_by_label("Group by").select_option("depth")
    page.reload()
    expect(page.get_by_role("columnheader", name="seed")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="loss")).to_have_attribute("aria-sort", "descending")
    group = page.locator("tr", has=page.locator(".group-head"))
    expect(group).to_have_count(2)
    group.first.get_by_role("button").click()
    expect(page.get_by_role("link", name=re.compile("^sweep-"))).to_have_count(2)


def test_a_long_list_is_scrolled_to_its_end_with_few_rows_on_the_page(page, sweep):
    page.goto(sweep[0])
    table = page.get_by_role("region", name="Runs")
    rows = table.locator("tbody tr[data-href]")
    expect(rows.first).to_be_visible()
    expect(page.get_by_role("status").filter(has_text=f"500 of {SWEEP:,} runs")).to_be_visible()

    def to_the_end():
        table.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        return table.get_by_role("link", name="sweep-0000").count() == 1

    eventually(to_the_end, what="the first run at the end of the list")
    assert rows.count() < 100
    expect(page.get_by_role("status").filter(has_text=f"{SWEEP:,} runs")).to_be_visible()


def test_comparing_says_first_what_differs(page, sweep):
    page.goto(sweep[0])
    for name in [f"sweep-{SWEEP - 1:04}", f"sweep-{SWEEP - 2:04}"]:
        page.get_by_label(f"Select {name}").check()
    page.get_by_role("link", name="Compare").click()
    page.wait_for_url("**/compare?runs=*")
    unlike = page.locator("tbody.unlike", has_text="depth")
    expect(unlike).to_contain_text("Params that differ")
    expect(unlike).not_to_contain_text("seed")
    expect(page.locator("tbody.alike", has_text="seed")).to_be_visible()
    assert page.locator("table").inner_text().index("depth") < page.locator("table").inner_text().index("seed")
    page.get_by_label("Show what is equal").uncheck()
    expect(page.locator("tbody.alike")).to_have_count(0)
    page.get_by_role("link", name="Charts").click()
    expect(page.get_by_role("img", name="loss of 2 runs")).to_be_visible()


def test_chosen_runs_are_saved_deleted_and_restored(page, sweep):
    path, _ = sweep
    name = f"sweep-{SWEEP - 3:04}"
    page.goto(path)
    page.get_by_label(f"Select {name}").check()
    chosen = page.get_by_role("group", name="Selected runs")
    with page.expect_download() as saved:
        chosen.get_by_role("button", name="CSV").click()
    head, row = saved.value.path().read_text().splitlines()
    assert head.startswith("run_id,run_name,Status")
    assert name in row
    chosen.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    page.get_by_role("button", name="Deleted").click()
    page.get_by_label(f"Select {name}").check()
    chosen.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    page.get_by_role("button", name="Active").click()
    expect(page.get_by_role("link", name=name)).to_be_visible()


@pytest.mark.parametrize("chart", ["parallel", "scatter"])
def test_a_chart_names_the_run_under_the_pointer_and_leads_to_it(page, sweep, chart):
    page.goto(f"{sweep[0]}?tab=charts&chart={chart}&filter=params.seed+%3D+%277%27&sx=p.depth&sy=m.loss&axes=p.depth,m.loss")
    plane = page.locator(".plane")
    mark = plane.locator(".dots circle" if chart == "scatter" else ".lines path").first
    mark.wait_for(state="attached")
    middle = "e => { const at = e.getPointAtLength(e.getTotalLength() / 2), m = e.getScreenCTM(); return [at.x + m.e, at.y + m.f] }"
    page.mouse.move(*mark.evaluate(middle))
    expect(plane.locator(".chart-note")).to_contain_text("sweep-")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_url("**/runs/*")


def test_a_running_run_changes_before_ones_eyes(page, mlflow_client):
    run_id = mlflow_client.create_run("0", run_name="alive").info.run_id
    mlflow_client.log_metric(run_id, "progress", 0.25, step=0)
    page.goto(f"/runs/{run_id}")
    main = page.locator("main")
    expect(main).to_contain_text("0.25")
    mlflow_client.log_metric(run_id, "progress", 0.75, step=1)
    expect(main).to_contain_text("0.75", timeout=15_000)
    mlflow_client.set_terminated(run_id)
    expect(main.get_by_role("heading", name="alive")).to_contain_text("Finished", timeout=15_000)


def test_tags_of_a_run_are_edited(page, mlflow_client):
    run_id = mlflow_client.create_run("0", tags={"old": "1"}).info.run_id
    page.goto(f"/runs/{run_id}")
    page.get_by_role("button", name="Edit the tags").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("key 1").fill("stage")
    dialog.get_by_label("Value 1").fill("done, at last")
    dialog.get_by_role("button", name="Save").click()
    expect(page.locator("main")).to_contain_text("done, at last")
    tags = mlflow_client.get_run(run_id).data.tags
    assert tags["stage"] == "done, at last"
    assert "old" not in tags


def test_runs_lie_under_the_run_they_are_inside(page, mlflow_client):
    experiment = mlflow_client.create_experiment(f"nested-{os.urandom(4).hex()}")
    outer = mlflow_client.create_run(experiment, run_name="outer", start_time=1_000).info.run_id
    for number in range(2):
        tags = {"mlflow.parentRunId": outer}
        mlflow_client.create_run(experiment, run_name=f"inner {number}", start_time=2_000 + number, tags=tags)
    page.goto(f"/experiments/{experiment}")
    expect(page.get_by_role("link", name="outer")).to_be_visible()
    inner = page.get_by_role("link", name=re.compile("inner"))
    expect(inner).to_have_count(0)
    page.get_by_role("button", name="Show the 2 runs inside").click()
    expect(inner).to_have_count(2)
    page.get_by_role("button", name="Hide the 2 runs inside").click()
    expect(inner).to_have_count(0)
    # Filtered, sorted by something else or on request every run stands for itself.
    page.get_by_label("Group by").select_option("Flat")
    expect(inner).to_have_count(2)
    page.reload()
    expect(inner).to_have_count(2)


def test_runs_that_are_inside_each_other_are_all_shown(page, mlflow_client):
    experiment = mlflow_client.create_experiment(f"circle-{os.urandom(4).hex()}")
    ids = [mlflow_client.create_run(experiment, run_name=f"round {number}").info.run_id for number in range(3)]
    for run_id, outer in zip(ids, [ids[1], ids[2], ids[0]]):
        mlflow_client.set_tag(run_id, "mlflow.parentRunId", outer)
    page.goto(f"/experiments/{experiment}")
    expect(page.get_by_role("link", name=re.compile("round"))).to_have_count(3)


def test_a_deleted_experiment_is_found_and_restored(page, mlflow_client):
    name = f"gone-{os.urandom(4).hex()}"
    experiment = mlflow_client.create_experiment(name)
    mlflow_client.delete_experiment(experiment)
    page.goto(f"/experiments?q={name.upper()}")
    expect(page.locator("main")).to_contain_text("No experiment has that name")
    page.get_by_role("button", name="Deleted").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("link", name=name)).to_have_count(0)
    page.get_by_role("button", name="Active", exact=True).click()
    expect(page.get_by_role("link", name=name)).to_be_visible()
    assert mlflow_client.get_experiment(experiment).lifecycle_stage == "active"


def test_descriptions_are_markdown_without_scripts(page, mlflow_client):
    name = f"described-{os.urandom(4).hex()}"
    mlflow_client.create_registered_model(name)
    page.goto(f"/models/{name}")
    page.get_by_role("button", name="Describe").click()
    text = "Made for **growth**.\n\n- see [the page](/docs)\n- not [this](javascript:alert(1)) <img src=x onerror=alert(1)>\n\n| a | b |\n|---|---|\n| 1 | `x_y_z` |"
    page.get_by_role("dialog").get_by_label("Description").fill(text)
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    shown = page.locator(".lead .markdown")
    expect(shown.locator("b")).to_have_text("growth")
    expect(shown.locator("li")).to_have_count(2)
    expect(shown.get_by_role("link")).to_have_text("the page")
    expect(shown).to_contain_text("[this](javascript:alert(1)) <img src=x")
    expect(shown.locator("img")).to_have_count(0)
    expect(shown.locator("td code")).to_have_text("x_y_z")
    assert mlflow_client.get_registered_model(name).description == text


def test_a_model_version_shows_where_it_came_from_and_who_serves_it(page, seeded):
    page.goto("/models/browsed/versions/1")
    lineage = page.get_by_role("region", name="Lineage")
    for word in ["look at me", "version 1", "@production", "ready"]:
        expect(lineage).to_contain_text(word)
    lineage.get_by_role("link").filter(has_text="look at me").click()
    page.wait_for_url(f"**/runs/{seeded.run_id}")


def test_a_model_version_shows_what_was_measured_of_it_and_what_its_run_says(page, seeded, mlflow_client):
    run_id = mlflow_client.create_run("0", run_name="two checkpoints").info.run_id
    model = mlflow_client.create_logged_model("0", name="early", source_run_id=run_id, params={"depth": "7"})
    for step, value in [(1, 0.25), (2, 0.5)]:
        mlflow_client.log_metric(run_id, "accuracy", value, step=step, model_id=model.model_id)
    mlflow_client.log_metric(run_id, "accuracy", 0.98, step=3)
    mlflow_client.log_metric(run_id, "epochs", 3)
    mlflow_client.create_registered_model("measured")
    mlflow_client.create_model_version("measured", f"models:/{model.model_id}", run_id, model_id=model.model_id)
    page.goto("/models/measured/versions/1")
    accuracy = page.get_by_role("row").filter(has_text="accuracy")
    expect(accuracy).to_have_count(1)
    expect(accuracy).to_contain_text("0.5 (in its run at last: 0.98)")
    expect(page.get_by_role("row").filter(has_text="epochs")).to_contain_text("3")
    expect(page.get_by_role("row").filter(has_text="depth")).to_contain_text("7")


def test_traces_are_searched_and_a_failed_span_is_shown(page, mlflow_client):
    import mlflow

    @mlflow.trace(span_type="TOOL")
    def book(code):
        raise ValueError(f"no booking {code}")

    @mlflow.trace
    def agent(code):
        return book(code)

    mlflow.set_experiment("traced in a browser")
    with pytest.raises(ValueError, match="no booking X"):
        agent("X")
    trace_id = mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()
    mlflow.log_feedback(trace_id=trace_id, name="useful", value=False, rationale="it gave up")
    experiment = mlflow.get_experiment_by_name("traced in a browser").experiment_id
    page.goto(f"/experiments/{experiment}?tab=traces&state=ERROR")
    page.get_by_role("link", name="agent").click()
    page.wait_for_url(f"**/traces/{trace_id}")
    main = page.locator("main")
    expect(main).to_contain_text("it gave up")
    expect(main).to_contain_text("no booking X")
    spans = page.get_by_role("list", name="Spans")
    expect(spans.get_by_role("link")).to_have_count(2)
    spans.get_by_role("link").filter(has_text="agent").click()
    expect(main.locator(".payload").first).to_contain_text('"code": "X"')


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("query", ["", "?tab=charts", "?tab=charts&chart=parallel", "?tab=charts&chart=scatter", "?tab=traces"])
def test_no_page_of_an_experiment_is_wider_than_its_window(page, sweep, query, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(sweep[0] + query)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


@pytest.mark.parametrize("path", ["/pipelines", "/data", "/endpoints", "/experiments", "/settings", "/docs"])
def test_every_other_screen_opens(page, path):
    page.goto(path)
    expect(page.get_by_role("heading").first).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("There is no page here")


def test_a_browser_signs_in_over_tls(private_server, browser):
    secure = private_server(env={"CRANNOG_TLS_LOOPBACK": "true"})
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(secure.http_url)
    page.fill("input[name=user]", secure.user)
    page.fill("input[type=password]", secure.password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("navigation").first).to_be_visible()
    page.get_by_role("button", name="Use from code").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text(f'mlflow.set_tracking_uri("{secure.http_url}")')
    expect(drawer).to_contain_text("export AWS_CA_BUNDLE=$PWD/crannog-ca.pem")
    assert drawer.get_by_role("link", name="crannog-ca.pem").get_attribute("href") == "/ca.pem"
    drawer.get_by_role("button", name="curl").click()
    expect(drawer).to_contain_text('curl --cacert "$CRANNOG_CA_FILE"')
    context.close()


def test_a_backup_is_taken_by_hand_and_a_failure_is_told(private_server, browser, tmp_path):
    folder = tmp_path / "backups"
    server = private_server(env={"CRANNOG_BACKUP_DIR": str(folder), "CRANNOG_BACKUP_EVERY": "0s"})
    page = browser.new_page(base_url=server.http_url)
    page.goto("/settings/server")
    sign_in(page, server.user, server.password)
    page.goto("/settings/server")
    expect(page.get_by_text("none yet")).to_be_visible()
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text("0 files with 0 B")).to_be_visible()
    assert len(list(folder.glob("2*/manifest.json"))) == 1
    shutil.rmtree(folder)
    folder.touch()
    page.get_by_role("button", name="Back up now").click()
    expect(page.get_by_text("It failed to work in")).to_be_visible()
    page.goto("/")
    page.get_by_role("link", name="backup").click()
    page.wait_for_url("**/settings/server")
    page.close()

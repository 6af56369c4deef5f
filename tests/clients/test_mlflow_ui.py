"""MLflow's own web UI, as the mlflow package brings it, with Crannog behind it: its pages load whole."""

import base64
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from conftest import answering, eventually, pointed_at
from test_browser import browser  # noqa: F401 (a fixture)

BUILD = Path(mlflow.__file__).parent / "server/js/build"
RUNS = ["first", "second"]


class Beside(ThreadingHTTPServer):
    """Serves the UI's files, and sends on to Crannog what is none."""

    daemon_threads = True

    def __init__(self, crannog):
        self.crannog, self.session = crannog.http_url, requests.Session()
        token = base64.b64encode(f"{crannog.user}:{crannog.password}".encode()).decode()
        self.credential = f"Basic {token}"
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *args):
        super().__init__(*args, directory=BUILD)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/":
            return super().do_GET()
        if path.startswith("/static-files/"):
            self.path = self.path.removeprefix("/static-files")
            return super().do_GET()
        return self.pass_on()

    def pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"Authorization": self.server.credential}
        if kind := self.headers.get("Content-Type"):
            headers["Content-Type"] = kind
        answer = requests.request(self.command, self.server.crannog + self.path, data=body, headers=headers, timeout=60)
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/octet-stream"))
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def ui(server):
    with answering(Beside(server)) as beside:
        yield beside.url


@pytest.fixture(scope="module")
def seeded(server):
    """Two runs with curves, a dataset, a logged model that has two versions."""
    from sklearn.linear_model import LogisticRegression

    names = {}
    with pointed_at(server) as client:
        names["experiment"] = mlflow.set_experiment("seen in MLflow's own UI").experiment_id
        x = np.random.default_rng(5).normal(size=(100, 3))
        for name in RUNS:
            with mlflow.start_run(run_name=name) as run:
                names[name] = run.info.run_id
                mlflow.log_params({"depth": 3, "solver": "lbfgs"})
                for step in range(20):
                    mlflow.log_metrics({"loss": 1 / (step + 1), "nan": float("nan")}, step=step)
                mlflow.log_input(mlflow.data.from_numpy(x, name="points"), context="training")
                mlflow.log_text("hello from a run", "notes/hello.txt")
                model = mlflow.sklearn.log_model(
                    LogisticRegression().fit(x, x[:, 0] > 0),
                    name="model",
                    registered_model_name="browsed-by-mlflow",
                    pip_requirements=["scikit-learn"],
                )
                names["model"] = model.model_id
        client.set_registered_model_alias("browsed-by-mlflow", "champion", "2")
    return names


def filled(text, names):
    for name, value in names.items():
        text = text.replace("{%s}" % name, value)
    return text


# A page, and what it must show of what was logged.
PAGES = [
    ("/experiments", "seen in MLflow's own UI"),
    ("/experiments/{experiment}/runs", "second"),
    ("/experiments/{experiment}/runs?compareRunsMode=CHART", "loss"),
    ("/experiments/{experiment}/models", "model"),
    ("/experiments/{experiment}/models/{model}", "{model}"),
    ("/experiments/{experiment}/runs/{second}", "lbfgs"),
    ("/experiments/{experiment}/runs/{second}/model-metrics", "loss"),
    ("/experiments/{experiment}/runs/{second}/artifacts/notes/hello.txt", "hello from a run"),
    ('/compare-runs?runs=["{first}","{second}"]&experiments=["{experiment}"]', "first"),
    ("/models", "browsed-by-mlflow"),
    ("/models/browsed-by-mlflow", "champion"),
    ("/models/browsed-by-mlflow/versions/2", "champion"),
]


@pytest.mark.parametrize("path, shows", PAGES, ids=[path.split("?")[0] for path, _ in PAGES])
def test_a_page_loads_with_no_failed_request(browser, ui, seeded, path, shows):
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    # What its makers' servers would be asked is none of ours, and no page may wait for it.
    context.route(lambda url: not url.startswith((ui, "data:", "blob:")), lambda route: route.abort())
    page = context.new_page()
    failed, errors, asked, open_now = [], [], [], set()
    page.on("response", lambda answer: answer.status >= 400 and failed.append(f"{answer.status} {answer.url}"))
    page.on("requestfailed", lambda request: request.url.startswith(ui) and failed.append(f"{request.failure} {request.url}"))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url) or open_now.add(request.url))
    for ending in ["requestfinished", "requestfailed"]:
        page.on(ending, lambda request: open_now.discard(request.url))
    page.goto(f"{ui}/#{filled(path, seeded)}")
    page.get_by_text(filled(shows, seeded)).first.wait_for(timeout=60_000)
    # A page may ask again and again; it is whole once nothing it asked is unanswered. That the script of
    # its worker has come, the browser never tells.
    waiting = lambda: [url for url in open_now if not url.endswith(".worker.js")]
    eventually(lambda: page.wait_for_timeout(200) or not waiting(), what="an answer to all the page asked")
    context.close()
    # What a page no longer needs it gives up itself.
    failed = [one for one in failed if "ERR_ABORTED" not in one]
    assert not failed and not errors, (failed, errors)
    assert any("/ajax-api/" in url or "/graphql" in url for url in asked)

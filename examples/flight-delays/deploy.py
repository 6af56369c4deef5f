"""Makes an endpoint that follows the alias `production`, and waits until it answers."""

import sys
import time

from flights import ENDPOINT, MODEL, crannog, url

import mlflow

session = crannog()
endpoint = url(f"/api/crannog/v1/endpoints/{ENDPOINT}")
session.put(endpoint, json={"model": f"models:/{MODEL}@production"}).raise_for_status()

wanted = mlflow.MlflowClient().get_model_version_by_alias(MODEL, "production").version
deadline = time.monotonic() + 120
while True:
    state = session.get(endpoint).json()
    if state["state"] == "ready" and str(state["version"]) == str(wanted):
        break
    if state["state"] == "failed" or time.monotonic() > deadline:
        sys.exit(f"the endpoint is {state['state']}: {state['error']}")
    time.sleep(0.2)
print(f"{url(state['url_path'])} serves {MODEL} version {state['version']}")

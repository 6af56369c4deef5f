"""Every route that MLflow's own server has, as the installed package lists them, is answered here."""

import re

import pytest
import requests
from mlflow.server.handlers import get_endpoints

# What asks a language model, or is about asking one, and what MLflow's own server answers with 404.
ELSEWHERE = re.compile(
    r"/mlflow/(gateway/(guardrails|budgets)|assistant|demo|scorer/invoke|genai/evaluate/invoke|issues/invoke"
    r"|unified-traces|get-online-trace-details|mcp-servers)"
)


def routes():
    """Each path with its methods; what a path has in place of a name is filled in."""
    found = set()
    for path, _, methods in get_endpoints():
        for method in methods:
            found.add((method, re.sub(r"<[^>]+>", "one", path)))
    return sorted(route for route in found if not ELSEWHERE.search(route[1]))


@pytest.mark.parametrize("method, path", routes(), ids=lambda value: value)
def test_a_route_of_mlflows_is_answered(server, method, path):
    body = None if method == "GET" else {}
    answer = requests.request(method, server.http_url + path, json=body, auth=server.auth, timeout=30, allow_redirects=False)
    assert answer.status_code not in (405, 500, 501), answer.text
    assert "Nothing answers" not in answer.text

"""Identity: every plane asks who is there, roles hold, and what is revoked is refused at once."""

import re

import pytest
import requests

PASSWORD = "a long enough password"

PRIVATE = [
    ("GET", "/"),
    ("GET", "/experiments"),
    ("GET", "/docs"),
    ("GET", "/api/crannog/v1/me"),
    ("GET", "/api/crannog/v1/status"),
    ("GET", "/api/crannog/v1/users"),
    ("GET", "/api/crannog/v1/buckets"),
    ("GET", "/api/crannog/v1/pipelines"),
    ("GET", "/api/crannog/v1/endpoints"),
    ("POST", "/api/2.0/mlflow/experiments/create"),
    ("POST", "/api/2.0/mlflow/runs/search"),
    ("GET", "/ajax-api/2.0/mlflow/experiments/search"),
    ("GET", "/api/2.0/mlflow-artifacts/artifacts"),
    ("GET", "/api/2.0/mlflow/registered-models/search"),
    ("GET", "/v2"),
    ("GET", "/v2/health/live"),
    ("POST", "/v2/models/x/infer"),
    ("GET", "/v1/models"),
    ("POST", "/v1/models/x:predict"),
    ("GET", "/api/2.0/endpoints/"),
    ("POST", "/inference.GRPCInferenceService/ServerLive"),
    ("POST", "/endpoints/x/invocations"),
    ("GET", "/no/such/page"),
]


def raw(server, method, path, **kwargs):
    session = requests.Session()
    session.trust_env = False
    return session.request(method, server.http_url + path, timeout=30, allow_redirects=False, **kwargs)


@pytest.fixture(scope="module")
def users(server):
    """A viewer and an editor, removed afterwards."""
    api = server.api()
    for role in ("viewer", "editor"):
        answer = api.post("/users", json={"name": f"auth-{role}", "password": PASSWORD, "role": role})
        assert answer.status_code == 201, answer.text
    yield {role: (f"auth-{role}", PASSWORD) for role in ("viewer", "editor")}
    for role in ("viewer", "editor"):
        assert api.delete(f"/users/auth-{role}").status_code == 204


@pytest.mark.parametrize(("method", "path"), PRIVATE)
def test_strangers_hear_401_everywhere(server, method, path):
    answer = raw(server, method, path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert "crannog env" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health", "/login", "/login.css", "/favicon.svg"])
def test_only_health_and_the_login_page_are_public(server, path):
    assert raw(server, "GET", path).status_code == 200


@pytest.mark.parametrize(
    "header",
    ["Basic !!!", "Basic YWRtaW4=", "Bearer nonsense", "Digest x", "Bearer", "\xff\xfe"],
)
def test_a_broken_credential_is_refused_not_ignored(server, header):
    answer = raw(server, "GET", "/api/crannog/v1/me", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


def test_a_wrong_password_is_refused(server):
    answer = raw(server, "GET", "/api/crannog/v1/me", auth=(server.user, "wrong"))
    assert answer.status_code == 401
    assert answer.json()["error_code"] == "UNAUTHENTICATED"


def test_roles_hold(server, users):
    make = {"name": "auth-role-check"}
    viewer = raw(server, "POST", "/api/2.0/mlflow/experiments/create", json=make, auth=users["viewer"])
    assert viewer.status_code == 403
    assert viewer.json()["error_code"] == "PERMISSION_DENIED"
    assert raw(server, "GET", "/api/crannog/v1/me", auth=users["viewer"]).json()["role"] == "viewer"
    search = raw(server, "POST", "/api/2.0/mlflow/experiments/search", json={"max_results": 5}, auth=users["viewer"])
    assert search.status_code == 200
    editor = raw(server, "POST", "/api/2.0/mlflow/experiments/create", json=make, auth=users["editor"])
    assert editor.status_code == 200
    admin_only = raw(server, "GET", "/api/crannog/v1/users", auth=users["editor"])
    assert admin_only.status_code == 403
    assert "admin" in admin_only.json()["detail"]
    promote = raw(server, "PATCH", "/api/crannog/v1/users/auth-editor", json={"role": "admin"}, auth=users["editor"])
    assert promote.status_code == 403


def test_a_token_stands_for_its_user_until_revoked(server, users):
    made = raw(server, "POST", "/api/crannog/v1/tokens", json={"label": "ci"}, auth=users["editor"])
    bearer = {"Authorization": f"Bearer {made.json()['token']}"}
    assert raw(server, "GET", "/api/crannog/v1/me", headers=bearer).json()["user"] == "auth-editor"
    listed = raw(server, "GET", "/api/crannog/v1/tokens", auth=users["editor"]).json()["tokens"]
    assert [token["label"] for token in listed] == ["ci"]
    assert "token" not in listed[0] and "digest" not in listed[0]
    gone = raw(server, "DELETE", f"/api/crannog/v1/tokens/{listed[0]['id']}", headers=bearer)
    assert gone.status_code == 204
    assert raw(server, "GET", "/api/crannog/v1/me", headers=bearer).status_code == 401


def sign_in(server, **fields):
    form = {"user": server.user, "password": server.password} | fields
    return raw(server, "POST", "/login", data=form)


def test_the_login_page_opens_a_session(server):
    answer = sign_in(server, next="/experiments")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/experiments")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    session = {"crannog_session": re.match(r"crannog_session=([^;]+)", cookie)[1]}
    assert raw(server, "GET", "/api/crannog/v1/me", cookies=session).json()["user"] == "admin"
    assert raw(server, "DELETE", "/api/crannog/v1/session", cookies=session).status_code == 204
    assert raw(server, "GET", "/api/crannog/v1/me", cookies=session).status_code == 401


def test_a_wrong_password_on_the_login_page_says_so_and_keeps_the_name(server):
    answer = sign_in(server, user='<b>"x', password="wrong")
    assert answer.status_code == 401
    assert "wrong" in answer.text and "<b>" not in answer.text and "&lt;b&gt;" in answer.text


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nX: y"])
def test_the_login_page_leads_to_no_other_site(server, target):
    assert sign_in(server, next=target).headers["Location"] == "/"


def test_a_session_does_not_serve_another_sites_page(server):
    cookie = sign_in(server).headers["Set-Cookie"].split(";")[0]
    headers = {"Cookie": cookie, "Origin": "http://evil.example"}
    answer = raw(server, "POST", "/api/crannog/v1/tokens", json={}, headers=headers)
    assert answer.status_code == 403
    headers = {"Cookie": cookie, "Sec-Fetch-Site": "cross-site"}
    assert raw(server, "POST", "/api/crannog/v1/tokens", json={}, headers=headers).status_code == 403


def test_a_browser_is_led_to_the_login_page(server):
    answer = raw(server, "GET", "/experiments/1?tab=a", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=%2Fexperiments%2F1%3Ftab%3Da"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": "x"}, "missing field"),
        ({"name": "a b", "password": PASSWORD, "role": "viewer"}, "not a user name"),
        ({"name": "short", "password": "short", "role": "viewer"}, "12 to 256"),
        ({"name": "odd", "password": PASSWORD, "role": "king"}, '"king" is not a role'),
        ({"name": 7, "password": PASSWORD, "role": "viewer"}, "invalid type"),
        ({"name": "odd", "password": PASSWORD, "role": "viewer", "extra": 1}, "unknown field"),
        ([], "invalid"),
    ],
)
def test_bad_users_are_refused_with_the_reason(server, body, says):
    answer = server.api().post("/users", json=body)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


def test_the_same_user_twice_and_the_last_admin(server, users):
    again = server.api().post("/users", json={"name": "auth-viewer", "password": PASSWORD, "role": "viewer"})
    assert again.status_code == 409
    assert server.api().delete("/users/admin").status_code == 409
    assert server.api().delete("/users/nobody").status_code == 404


def test_no_secret_reaches_the_log(private_server):
    server = private_server()
    token = server.api().post("/tokens", json={"label": "log"}).json()["token"]
    raw(server, "GET", "/api/crannog/v1/me", headers={"Authorization": f"Bearer {token}"})
    text = server.log_path.read_text()
    first_start, later = text.count(server.password), text.count(token)
    assert (first_start, later) == (1, 0), "the password is printed once, at the first start, and no token ever"
    server.restart()
    assert server.log_path.read_text().count(server.password) == 1

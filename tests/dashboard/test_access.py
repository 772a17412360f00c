"""Who is let in: hosts, origins, tokens, and addresses that try to leave the folder."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dashboard_runs import Served
from latebloom.dashboard.access import COOKIE, HEADERS, Access, is_loopback
from latebloom.dashboard.app import make_app

TOKEN = "a-token-of-some-length"


def client(
    root: Path, access: Access | None = None, host: str = "127.0.0.1:8642", allow_run: bool = False
) -> TestClient:
    app = make_app(root, access or Access("127.0.0.1"), allow_run)
    return TestClient(app, base_url=f"http://{host}", raise_server_exceptions=False)


@pytest.mark.parametrize("host", ["127.0.0.1:8642", "localhost:8642", "[::1]:8642"])
def test_this_machine_may_ask(made, host):
    assert client(made, host=host).get("/api/runs").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8642", "192.168.1.7:8642", "lab.example"])
def test_a_foreign_name_for_this_machine_is_refused(made, host):
    answer = client(made, host=host).get("/api/runs")
    assert answer.status_code == 403
    assert "expected this server's own name" in answer.json()["error"]


def test_requests_of_other_sites_are_refused(made):
    asking = client(made, allow_run=True)
    body = {"preset": "quick", "settings": {}}
    for origin in ("https://evil.example", "http://localhost:9999", "null"):
        answer = asking.post("/api/jobs", json=body, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    crossing = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    assert asking.get("/api/runs", headers=crossing).status_code == 403
    assert asking.get("/", headers=crossing | {"Sec-Fetch-Mode": "navigate"}).status_code == 200
    same = {"Origin": "http://127.0.0.1:8642", "Sec-Fetch-Site": "same-origin"}
    assert asking.get("/api/runs", headers=same).status_code == 200


def test_a_token_is_asked_for_and_kept(made):
    asking = client(made, Access("lab.example", TOKEN), "lab.example:8642")
    for address in ("/", "/api/runs", "/static/list.js", "/run/pair"):
        answer = asking.get(address)
        assert answer.status_code == 401, address
        assert "expected the token" in answer.json()["error"]
    for wrong in ("", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper()):
        assert asking.get("/", params={"token": wrong}).status_code == 401
        assert asking.get("/", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
    assert asking.get("/api/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    let_in = asking.get("/?q=add", params={"token": TOKEN, "q": "add"}, follow_redirects=False)
    assert let_in.status_code == 303
    assert TOKEN not in let_in.headers["location"]
    cookie = let_in.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKEN}")
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert asking.get("/api/runs").status_code == 200


def test_every_answer_has_the_headers(made):
    for address in ("/", "/api/runs", "/run/none", "/nothing", "/static/list.js"):
        answer = client(made).get(address)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "..%2fsecret",
        "pair/../../secret",
        "%2e%2e/secret",
        "pair/..",
        "/etc",
        "//etc/passwd",
        "pair/./x",
        ".hidden",
        "linked",
        "linked/seed-0",
        "pair\\..\\x",
        "pair/%00",
        "a/b/c/d/e/f",
        "pair",
        "",
    ],
)
def test_nothing_outside_the_folder_is_read(root, name):
    outside = root.parent / "secret"
    outside.mkdir()
    (outside / "spec.json").write_text(json.dumps({"word": "hidden-word"}), "utf-8")
    (root / "linked").symlink_to(outside)
    (root / ".hidden").mkdir()
    (root / ".hidden" / "spec.json").write_text('{"word": "hidden-word"}', "utf-8")
    asking = client(root)
    for address in (f"/run/{name}", f"/api/live/{name}", f"/api/inside/{name}", f"/api/tables/{name}?step=0"):
        answer = asking.get(address)
        assert answer.status_code in (400, 404), (address, answer.text)
        assert "hidden-word" not in answer.text
        assert "Traceback" not in answer.text
    assert asking.get("/api/compare", params={"run": name}).status_code in (400, 404)


PATHS = (
    "/run/../secret",
    "/run/../../secret",
    "/run/%2e%2e/secret",
    "/run/%2e%2e%2fsecret",
    "/run/%252e%252e%252fsecret",
    "/run/pair/..%2f..%2fsecret",
    "/run/..%5csecret",
    "/run//secret",
    "/run/%00",
    "/run/%ff%fe",
    "/static/../app.py",
    "/static/%2e%2e%2fapp.py",
    "/../../../../etc/passwd",
    "//etc/passwd",
    "/" + "a/" * 4000,
)


def test_paths_as_they_are_sent_are_refused_by_a_server(root):
    outside = root.parent / "secret"
    outside.mkdir()
    (outside / "spec.json").write_text(json.dumps({"word": "hidden-word"}), "utf-8")
    with Served(root) as served:
        connection = HTTPConnection(served.address.removeprefix("http://"), timeout=20)
        for path in PATHS:
            # unlike a browser, it neither resolves dots nor mends what is odd
            connection.request("GET", path)
            answer = connection.getresponse()
            said = answer.read().decode()
            assert answer.status in (400, 404), path
            assert "Nothing here" in said, path
            assert not any(word in said for word in ("hidden-word", "Traceback", "root:", "import ")), path
        connection.close()


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "app.py", "report.html", "shell.html", "none.js", ""])
def test_only_scripts_and_styles_are_static(made, name):
    assert client(made).get(f"/static/{name}").status_code == 404


def test_what_is_loopback():
    assert all(is_loopback(host) for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.8.9.1", "::1"))
    assert not any(
        is_loopback(host) for host in ("0.0.0.0", "::", "192.168.0.1", "example.org", "127.0.0.1.nip.io", "")
    )

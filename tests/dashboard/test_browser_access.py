"""Who and what is refused, in a browser: wrong addresses, other sites, wrong tokens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from browsing import User, needs_browser
from dashboard_runs import Served
from latebloom.dashboard.access import Access

pytestmark = needs_browser


@pytest.mark.parametrize("address", ["/run/pair/none", "/study/none", "/nothing", "/tour/9", "/run/%2e%2e%2fsecret"])
def test_a_wrong_address_says_so(user: Callable[..., User], address: str) -> None:
    one = user()
    assert one.go(address).status == 404
    one.provoked("404")
    assert one.text("h1") == "Nothing here"
    assert "here is no" in one.text("main") or "The tour has the stops 1 to 8" in one.text("main")
    one.page.click("text=All runs")
    one.wait("document.querySelectorAll('.runs tbody tr').length === 11")


def test_a_wrong_question_is_answered_on_the_page(user: Callable[..., User]) -> None:
    one = user()
    for address, words in {
        "/?sort=size": "expected an order among",
        "/compare?run=pair/none": "there is no 'pair/none' here",
    }.items():
        one.go(address)
        one.wait(f"document.querySelector('#said').textContent.includes({words!r})")
    one.provoked("40")


@pytest.fixture
def other_site(tmp_path: Path) -> Iterator[Path]:
    """A folder that another server of this machine shows; its address is the folder's file `address`."""
    folder = tmp_path / "other"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (folder / "address").write_text(f"http://127.0.0.1:{server.server_port}", "utf-8")
        yield folder
        server.shutdown()


def test_another_sites_page_gets_nothing(browser: Any, root: Path, other_site: Path, caplog: Any) -> None:
    # what is read, and what needs no leave of this server to be sent and would start a run
    script = """Promise.all([
      fetch('ADDRESS/api/runs').then(a => a.text()),
      fetch('ADDRESS/api/jobs', {method: 'POST', mode: 'no-cors', body: '{"preset": "quick"}'}).then(a => a.text()),
    ].map(asked => asked.catch(error => ''))).then(texts => document.title = `got [${texts.join('')}]`)"""
    with Served(root, allow_run=True) as served, caplog.at_level(logging.INFO, "uvicorn.access"):
        (other_site / "index.html").write_text(f"<script>{script.replace('ADDRESS', served.address)}</script>", "utf-8")
        one = User(browser, (other_site / "address").read_text("utf-8"))
        one.go("/")
        one.wait("document.title !== ''")
        assert one.page.title() == "got []"
        one.context.close()
    answered = {record.args[2]: record.args[4] for record in caplog.records if record.name == "uvicorn.access"}
    assert answered == {"/api/runs": 403, "/api/jobs": 403}


def test_a_wrong_token_is_refused_and_the_right_one_is_kept(browser: Any, root: Path) -> None:
    with Served(root, Access("127.0.0.1", "a-token-of-some-length")) as served:
        one = User(browser, served.address)
        assert one.go("/").status == 401
        assert one.go("/?token=wrong").status == 401
        one.go("/?token=a-token-of-some-length")
        one.wait("document.querySelectorAll('.runs tbody tr').length === 11")
        assert "token" not in one.page.url
        one.provoked("401")
        one.close()

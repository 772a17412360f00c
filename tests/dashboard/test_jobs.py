"""Runs that are started, stopped and gone on with from the pages, and what may not be started."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from browsing import User, needs_browser
from dashboard_runs import SMALL, Served, make_run
from latebloom.dashboard.access import Access
from latebloom.dashboard.app import make_app


def asking(root: Path, allowed: bool) -> TestClient:
    return TestClient(make_app(root, Access("127.0.0.1"), allowed), "http://127.0.0.1:8642", False)


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [
        ("none", {}, "expected a preset among"),
        ("../quick", {}, "expected a preset among"),
        ("quick", {"steps": "many"}, "steps"),
        ("quick", {"no.such": "1"}, "no such"),
        ("quick", {"--runs": "/tmp"}, "expected settings such as optim.weight_decay"),
        ("quick", {"steps=1 --runs": "/tmp"}, "expected settings such as optim.weight_decay"),
        ("quick", {"task.name": "mine.py:Task"}, "expected a name that is built in"),
        ("quick", {"log.measures": "light,mine.py:M"}, "expected a name that is built in"),
        ("quick", {"log": '{measures = "mine.py:M"}'}, "expected names that are built in"),
        ("quick", {"task": '{name = "mine.py:Task"}'}, "expected names that are built in"),
        ("quick", {"loss.name": "os:system"}, "expected a name that is built in"),
    ],
)
def test_what_may_not_be_started(tmp_path: Path, preset: str, settings: dict[str, str], message: str) -> None:
    answer = asking(tmp_path, True).post("/api/jobs", json={"preset": preset, "settings": settings})
    assert answer.status_code == 400, answer.text
    assert message in answer.json()["error"]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_started_unless_it_is_allowed(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "one", 50, 300)
    client = asking(tmp_path, False)
    assert client.get("/api/jobs").json()["allowed"] is False
    for address in ("/api/jobs", f"/api/stop/{folder}", f"/api/resume/{folder}"):
        answer = client.post(address, json={"preset": "quick"})
        assert answer.status_code == 400
        assert "only after `latebloom serve --allow-run`" in answer.json()["error"]
    allowed = asking(tmp_path, True)
    assert "was not started from this page" in allowed.post(f"/api/stop/{folder}").json()["error"]
    assert "there is nothing to go on with" in allowed.post(f"/api/resume/{folder}").json()["error"]


@needs_browser
@pytest.mark.slow
def test_start_stop_and_go_on(browser: Any, tmp_path: Path) -> None:
    with Served(tmp_path, allow_run=True) as served, closing(User(browser, served.address)) as one:
        one.page.set_default_timeout(60_000)  # two processes start meanwhile
        try:
            one.go("/")
            one.page.click("#start summary")
            one.page.fill("[name=settings]", "\n".join(f"{k} = {v}" for k, v in (SMALL | {"steps": "400000"}).items()))
            one.page.click("#start-form button")
            one.wait("document.querySelector('#said').textContent.includes('is starting')")
            (folder,) = one.page.evaluate("fetch('/api/jobs').then(a => a.json()).then(jobs => jobs.running)")
            one.until(lambda: (tmp_path / folder / "live").is_dir(), "the run writes its log", 60)
            one.go(f"/run/{folder}")
            one.wait("document.querySelector('.badge')?.textContent.includes('running: step')", 60)
            one.page.click("text=Stop")
            one.wait("document.querySelector('.badge')?.dataset.state === 'stopped'", 60)
            one.page.click("text=Go on with it")
            one.wait("document.querySelector('.badge')?.dataset.state === 'running'", 60)
        finally:
            served.app.state.jobs.close()

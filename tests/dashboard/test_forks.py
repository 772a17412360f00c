"""Forks in the dashboard: beside their twin, several of one parent side by side, and where a twin must not lead."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from browsing import User, needs_browser
from dashboard_runs import Served, small
from latebloom.analysis.forked import compare, twin_of
from latebloom.dashboard.access import Access
from latebloom.dashboard.app import make_app
from latebloom.experiment import run_experiment
from latebloom.forks import Asked, Change, prepare, run_forks
from latebloom.store import Run, open_run

STEP = 20
Forked = tuple[Path, Run, list[str]]


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Forked:
    """A run and two forks of it: the root, the parent, the forks' folders."""
    root = tmp_path_factory.mktemp("forked") / "runs"
    parent = run_experiment(small(), root, "pair", threads=1)
    changes = (Change({"optim.lr": 0.03}), Change({"optim.weight_decay": 0.0}))
    found = run_forks(prepare(Asked((parent,), (str(STEP),), changes), root), root)
    assert [one.error for one in found] == [None, None]
    return root, parent, [one.folder.relative_to(root).as_posix() for one in found]


@pytest.fixture
def served(forked: Forked) -> Iterator[Served]:
    with Served(forked[0]) as server:
        yield server


def client(root: Path) -> TestClient:
    return TestClient(make_app(root, Access("127.0.0.1")), "http://127.0.0.1:8642", False)


def test_a_run_and_its_forks_name_all_forks(forked: Forked) -> None:
    root, parent, forks = forked
    parents = f"pair/{parent.id}"
    for folder in (parents, *forks):
        told = client(root).get(f"/api/forks/{folder}").json()
        assert told["parent"] == parents
        assert sorted(fork["folder"] for fork in told["forks"]) == sorted(forks)
        assert {fork["change"] for fork in told["forks"]} == {"optim.lr=0.03", "optim.weight_decay=0.0"}
        assert {(fork["twin"], fork["step"]) for fork in told["forks"]} == {(parents, STEP)}


def test_a_run_without_forks_has_none(root: Path) -> None:
    folder = next(iter(root.glob("pair/seed-0*"))).name
    assert client(root).get(f"/api/forks/pair/{folder}").json()["forks"] == []


def test_a_twin_outside_the_folder_is_not_followed(forked: Forked, tmp_path: Path) -> None:
    root, parent, (fork, _) = forked
    inside = tmp_path / "runs"
    shutil.copytree(root / fork, inside / fork)
    shutil.copytree(parent.folder, tmp_path / "outside" / parent.id)
    file = inside / fork / "provenance.json"
    told = json.loads(file.read_text("utf-8"))
    told["fork"]["twin"]["folder"] = f"../outside/{parent.id}"
    file.write_text(json.dumps(told), "utf-8")
    answer = client(inside).get(f"/run/{fork}")
    assert answer.status_code == 200
    assert "Beside its twin" not in answer.text
    assert client(inside).get(f"/api/forks/{fork}").json()["forks"][0]["twin"] == ""
    # nor does a report or a figure follow it
    assert twin_of(open_run(inside / fork)) is None


def test_a_fork_knows_its_twin(forked: Forked) -> None:
    root, parent, forks = forked
    twins = [twin_of(open_run(root / fork)) for fork in forks]
    assert [twin.folder for twin in twins if twin] == [parent.folder.resolve()] * len(forks)
    assert twin_of(parent) is None


def test_forks_can_be_aligned_on_their_own_step(forked: Forked) -> None:
    root, parent, forks = forked
    told = client(root).get("/api/compare", params={"run": [f"pair/{parent.id}", *forks]}).json()
    assert [run["events"].get("forked") for run in told["runs"]] == [None, STEP, STEP]


@needs_browser
def test_a_forks_page_shows_it_beside_its_twin(user: Callable[..., User], forked: Forked) -> None:
    root, parent, (fork, _) = forked
    one = user()
    one.go(f"/run/{fork}")
    one.wait("document.querySelectorAll('#forks tbody tr').length === 2")
    found = compare(open_run(root / fork), parent)
    said = one.text("#section-beside")
    assert (f"They part at step {found.parts}" if found.parts is not None else "They do not part") in said
    one.page.locator("#twin-test-loss").scroll_into_view_if_needed()
    one.wait("document.querySelectorAll('#twin-test-loss .plot .line').length === 2")
    assert re.match(r"fork .* twin .*", one.text("#twin-test-loss .legend"))
    # at the fork's step the two are one, and later they are not
    one.page.focus("#scrubber")
    one.page.keyboard.press("End")
    last = re.findall(r"[\d.·⁻]+", one.text("#twin-test-loss .legend"))
    one.page.keyboard.press("Home")
    first = re.findall(r"[\d.·⁻]+", one.text("#twin-test-loss .legend"))
    assert len(set(last)) == 2
    assert len(set(first)) == 1
    assert "fork" in one.page.locator("#loss .plot .event-name").all_text_contents()


@needs_browser
def test_forks_side_by_side_as_differences_from_their_twin(user: Callable[..., User], forked: Forked) -> None:
    _, parent, forks = forked
    one = user()
    one.go(f"/run/pair/{parent.id}")
    one.wait("document.querySelectorAll('#forks tbody tr').length === 2")
    one.page.click("#forks >> text=All of them side by side")
    one.wait("document.querySelectorAll('#figures figure').length > 4")
    assert f"less pair/{parent.id}" in one.text("#said")
    drawn = "[...document.querySelectorAll('#figures figure:first-of-type .run-line title')].map(t => t.textContent)"
    assert sorted(one.page.evaluate(drawn)) == sorted(forks)
    assert "ratio, logarithmic" in one.text("#figures figure >> nth=0")
    one.page.select_option("[name=align]", "forked")
    one.wait("new URLSearchParams(location.search).get('align') === 'forked'")
    # the twin was not forked: without it there is nothing to take differences from
    assert f"pair/{parent.id}" in one.text("#said")
    one.page.select_option("[name=align]", "")
    one.page.select_option("[name=less]", "")
    one.wait("document.querySelectorAll('#figures figure:first-of-type .run-line').length === 3")

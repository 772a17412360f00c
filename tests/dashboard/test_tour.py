"""The run that ships with the package, and the tour of grokking on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from latebloom.analysis import find_events
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.dashboard import example, tour
from latebloom.dashboard.access import Access
from latebloom.dashboard.app import make_app
from latebloom.spec import resolve
from latebloom.store import open_run


def client(root: Path) -> TestClient:
    return TestClient(make_app(root, Access("127.0.0.1")), "http://127.0.0.1:8642", False)


@pytest.fixture(scope="module")
def run():
    found = example.example_run()
    assert found is not None
    return found


def test_the_example_is_small_and_whole(run):
    files = [path for path in example.ROOT.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 2_000_000
    assert not [path.name for path in files if path.suffix in (".pkl", ".pt", ".tmp") or path.name == "lock"]
    assert resolve(run.spec).run_id == run.id
    assert run.state == "done"
    assert run.scalars.height > 100
    assert run.arrays.sizes["step"] == run.scalars.height
    assert all(run.params(step) for step in run.checkpoints)
    assert "optimiser's state" in run.provenance["shipped"]["left_out"]


def test_its_stored_weights_have_its_stored_numbers(run):
    logged = [step for step in run.checkpoints if step in run.scalars["step"]]
    assert len(logged) >= 9
    for step in logged:
        row = run.scalars.filter(run.scalars["step"] == step)
        _, probe = probe_of(run, step)
        right = (probe.logits.argmax(-1) == probe.subject.examples.labels).double()
        for split in ("train", "test"):
            index = getattr(probe.subject, f"{split}_index")
            assert float(right[index].mean()) == pytest.approx(row[f"{split}_accuracy"][0], abs=2e-3)


def test_it_groks_and_late(run):
    steps = {event.name: event.found.step for event in find_events(run.scalars)}
    assert steps["grokked"] >= 5 * steps["memorised"]
    assert {event["name"]: event["found"]["step"] for event in run.events}["grokked"] == steps["grokked"]


def test_the_first_page_of_a_fresh_install_is_not_empty(tmp_path, run):
    for root in (tmp_path / "nothing", tmp_path):
        told = client(root).get("/api/runs").json()
        assert [(row["id"], row["example"]) for row in told["rows"]] == [(run.id, True)]
    folder = told["rows"][0]["folder"]
    asking = client(tmp_path)
    assert asking.get(f"/run/{folder}").status_code == 200
    assert len(asking.get(f"/api/inside/{folder}").json()["steps"]) == len(run.checkpoints)
    assert not (tmp_path / "nothing").exists()
    # the file system of an installed package may be read-only: nothing is written beside it
    assert not list(example.ROOT.rglob("index.sqlite*"))


def test_runs_of_ones_own_stand_beside_it(root):
    told = client(root).get("/api/runs").json()
    assert [row["example"] for row in told["rows"]].count(True) == 1
    assert told["total"] == 11


def test_the_tour_has_eight_stops_that_are_views(tmp_path, run):
    asking = client(tmp_path)
    said = []
    for number in range(1, 9):
        to = asking.get(f"/tour/{number}", follow_redirects=False).headers["location"]
        page = asking.get(to).text
        stop = tour.stops()[number - 1]
        assert f'id="{stop.show}"' in page, "what is spoken of is there"
        assert f"{number} of 8" in page
        assert len(stop.words.split()) < 75
        assert "nan" not in stop.words
        assert stop.step is None or stop.step in run.scalars["step"]
        said.append(stop.title)
    assert len(set(said)) == 8
    assert asking.get("/tour", follow_redirects=False).headers["location"] == tour.address(1)


@pytest.mark.parametrize("number", ["0", "9", "-1", "x"])
def test_there_is_no_ninth_stop(tmp_path, number):
    answer = client(tmp_path).get(f"/tour/{number}")
    assert answer.status_code in (400, 404)
    assert "Traceback" not in answer.text
    folder = tour.address(1).partition("?")[0]
    assert client(tmp_path).get(f"{folder}?tour={number}").status_code in (400, 404)


def test_the_numbers_of_the_tour_are_those_of_the_run(run):
    scalars = run.scalars
    words = {stop.title: stop.words for stop in tour.stops()}
    by = {event.name: event.found.step for event in find_events(scalars)}
    memorised = scalars.filter(scalars["step"] == by["memorised"])
    told = re.findall(r"([\d.]+) %", words["First it memorises"])
    assert told == [f"{100 * memorised[name][0]:.3g}" for name in ("train_accuracy", "test_accuracy")]
    assert f"{by['generalised'] / by['memorised']:.0f} times as late" in words["And it groks"]
    # what the words claim beyond numbers
    between = next(stop.step for stop in tour.stops() if stop.title == "Then little is seen to happen")
    row = scalars.filter(scalars["step"] == between)
    assert row["test_loss"][0] > scalars["test_loss"][0] > row["train_loss"][0]
    for name, sign in (("restricted_loss_all", -1), ("excluded_loss", 1)):
        # taken at few of the rows: the last one up to a step counts
        before, after = (
            scalars.filter(scalars["step"] <= step)[name].drop_nulls()[-1] for step in (by["memorised"], between)
        )
        assert sign * after > sign * before
    later = scalars.filter(scalars["step"] >= by["memorised"])
    assert later["restricted_loss_all"].drop_nulls()[-1] < later["restricted_loss_all"].drop_nulls()[0] / 10
    norm = np.asarray(later["weight_norm_sq"].drop_nulls())
    assert norm[-1] < 0.7 * norm[0]


def test_a_package_without_its_example_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(example, "ROOT", tmp_path / "none")
    for cached in (example.example_row, tour.stops):
        cached.cache_clear()
    try:
        assert client(tmp_path).get("/api/runs").json()["rows"] == []
        answer = client(tmp_path).get("/tour")
        assert answer.status_code == 404
        assert "without its example" in answer.text
    finally:
        monkeypatch.undo()
        for cached in (example.example_row, tour.stops):
            cached.cache_clear()


def test_an_example_of_ones_own_goes_before(tmp_path, run):
    mine = tmp_path / example.GROUP / run.id
    mine.mkdir(parents=True)
    (mine / "spec.json").write_text("{}", "utf-8")
    told = client(tmp_path).get("/api/runs").json()
    assert [row["state"] for row in told["rows"]] == ["pending"]
    assert open_run(example.ROOT / example.GROUP / run.id).state == "done"

"""Runs side by side on the command line."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest

import latebloom
from dashboard_runs import make_run, write_rows


def made(root, name: str, memorised: int, grokked: int, **spec: object) -> None:
    folder = root / make_run(root, name, memorised, grokked) / "spec.json"
    folder.write_text(json.dumps(json.loads(folder.read_text("utf-8")) | spec), "utf-8")


@pytest.fixture
def two(tmp_path):
    made(tmp_path / "runs", "one", 50, 300, optim={"lr": 1e-3, "beta1": 0.9}, seeds={"init": 0})
    made(tmp_path / "runs", "two", 70, 2000, optim={"lr": 1e-2, "beta1": 0.9}, seeds={"init": 4})


def cells(out: str, name: str) -> list[str]:
    (line,) = (line for line in out.splitlines() if re.match(rf" *{re.escape(name)}  ", line))
    return re.split(r" {2,}", line.strip())[1:]


def test_what_tells_runs_apart_when_things_came_and_the_last_numbers(command, two):
    code, out, err = command("compare", "one", "two")
    assert (code, err) == (0, "")
    assert out.split()[:2] == ["one", "two"]
    assert cells(out, "optim.lr") == ["0.001", "0.01"]
    assert cells(out, "seeds.init") == ["0", "4"]
    assert "beta1" not in out
    assert cells(out, "memorised") == ["50", "70"]
    assert cells(out, "grokked") == ["300", "–"]
    assert cells(out, "memorised, not generalised") == ["50–300", "70–800"]
    assert re.search(r"^ *generalised +300–800 +–", out, re.MULTILINE)
    assert cells(out, "numbers at step") == ["800", "800"]
    assert cells(out, "Test accuracy") == ["1", "0"]
    assert "latebloom figure compare runs/made/one runs/made/two -o compare.png" in out
    assert "/compare?run=made/one&run=made/two" in out


def test_numbers_are_those_of_each_run_at_the_moment(command, two):
    out = command("compare", "one", "two", "--at", "memorised")[1]
    assert cells(out, "numbers at step") == ["50", "70"]
    assert cells(out, "Training accuracy") == ["1", "1"]
    # the last log row up to there
    out = command("compare", "one", "two", "--at", "69")[1]
    assert cells(out, "numbers at step") == ["60", "60"]
    assert cells(out, "Training accuracy") == ["1", "0"]
    code, out, _ = command("compare", "one", "two", "--at", "grokked")
    assert code == 0
    assert cells(out, "numbers at step") == ["300", "–"]
    assert cells(out, "Test accuracy") == ["1", "–"]
    assert "--at grokked: not found in two: not reached" in out
    out = command("compare", "one", "two", "--at", "801")[1]
    assert cells(out, "numbers at step") == ["–", "–"]
    assert "--at 801: expected at most 800, the last step of two, got 801" in out


def test_json_is_what_the_runs_hold(command, two, tmp_path):
    told = json.loads(command("compare", "one", "two", "--at", "310", "--json")[1])
    assert [one["differs"] for one in told] == [
        {"optim.lr": 0.001, "seeds.init": 0},
        {"optim.lr": 0.01, "seeds.init": 4},
    ]
    for one in told:
        run = latebloom.open(one["run"], tmp_path / "runs")
        row = run.scalars.row(by_predicate=pl.col("step") == 310, named=True)
        assert {"run": row["run"], "step": one["step"]} | one["values"] == row
        assert one["events"] == {event["name"]: event["found"]["step"] for event in run.events}


def test_a_run_under_way_tells_what_came_so_far(command, two, tmp_path):
    with write_rows(tmp_path / "runs", "live", 100, 2000, last=400) as writer:
        out = command("compare", "one", "live")[1]
        assert cells(out, "state") == ["done", "running"]
        assert cells(out, "memorised") == ["50", "100"]
        assert cells(out, "numbers at step") == ["800", "400"]
        writer.stop("asked to")


def test_a_run_without_a_log_has_dashes(command, two, tmp_path):
    bare = tmp_path / "runs" / "made" / "bare"
    bare.mkdir()
    (bare / "spec.json").write_bytes((bare.parent / "one" / "spec.json").read_bytes())
    for words in ((), ("--at", "memorised"), ("--at", "50")):
        code, out, _ = command("compare", "one", "bare", *words)
        assert code == 0
        assert cells(out, "what differs") == ["–", "–"]
        assert cells(out, "memorised") == ["50", "–"]
        assert cells(out, "numbers at step") == ["50" if words else "800", "–"]
        assert ("nothing was logged of bare" in out) == bool(words)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["one"], "expected two runs or more, got 1; `latebloom ls` lists them"),
        (["one", "runs/made/one"], "expected two runs or more, got 1"),
        (["one", "tow", "thre"], "There is no run 'tow'. Near it in runs: runs/made/two"),
        (["one", "tow", "thre"], "There is no run 'thre'"),
        (["one", "two", "--at", "grokt"], "expected a step, or an event of one; did you mean grokked?"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_message(command, two, words, message):
    code, out, err = command("compare", *words)
    assert (code, out) == (2, "")
    assert message in " ".join(err.split())

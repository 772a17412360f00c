"""The rules of document D's claims on small networks, on results whose verdict is known."""

import json
from dataclasses import replace

import polars as pl
import pytest

from claims_at_will import part
from latebloom.claims.judging import judge
from latebloom.claims.statements import c4, d1, d2, d3, d5, d6

SEEDS = range(5)

# D1


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({}, ("supported", "supported")),
        ({0.01: 150}, ("refuted", "supported")),
        ({0.001: None}, ("supported", "mixed")),
        ({0.001: None, 0.1: None}, ("supported", "refuted")),
    ],
)
def test_d1(step, expected):
    rows = [
        {"optim.weight_decay": decay, "seed": s, "grokked": step.get(decay, 2000 + s)}
        for decay in (d1.STANDARD, *d1.OTHERS)
        for s in SEEDS
    ]
    found = judge(d1.CLAIM, {d1.STUDY: part(rows, axes=["optim.weight_decay"])})
    assert (found.observation.verdict, found.interpretation.verdict) == expected
    assert d1.figures({d1.STUDY: part(rows, axes=["optim.weight_decay"])})


# D2


def rates(step, loss=lambda name: 0.1):
    rows, curves = [], []
    for name, (_, arm) in d2.ARMS.items():
        settings = {"optim.lr": 1e-3, "optim.weight_decay": 1.0} | {k.replace("_", ".", 1): x for k, x in arm.items()}
        for s in SEEDS:
            rows.append(settings | {"seed": s, "grokked": int(step(name) * (1 + 0.01 * s)), "last": 4000})
            curves.append({"step": [0, 4000], "test_loss": [4.0, loss(name) * (1 + 0.01 * s)]})
    return {d2.STUDY: part(rows, curves, axes=["batch", "optim.lr", "optim.weight_decay"])}


@pytest.mark.parametrize(
    ("step", "loss", "expected"),
    [
        ({"b64": 900, "slow": 3000, "fast": 900}, {"slow": 0.01}, ("supported", "supported")),
        ({"b64": 3000, "slow": 3000, "fast": 900}, {"slow": 0.3}, ("mixed", "refuted")),
        ({"b64": 3000, "slow": 900, "fast": 3000}, {}, ("refuted", "open")),
    ],
)
def test_d2(step, loss, expected):
    found = judge(d2.CLAIM, rates(lambda name: step.get(name, 2000), lambda name: loss.get(name, 0.1)))
    assert (found.observation.verdict, found.interpretation.verdict) == expected
    assert found.numbers["batch_steps"].value == pytest.approx(step["b64"] / 2000, rel=0.01)
    assert found.numbers["batch_epochs"].value == pytest.approx(step["b64"] / 9 / 2000, rel=0.01)


# C4


def data(late, much=False):
    """Every network and prime of C4: those that `late` names generalise 5 times as late as they memorise."""

    def rows(name, count=5, **settings):
        return [settings | {"memorised": 200, "grokked": 1000 if late(name) else 200, "seed": s} for s in range(count)]

    cells = [(31, 0.2, False), (31, 0.6, late("p31")), (31, 0.95, much), (23, 0.6, True), (41, 0.6, True)]
    small = [
        {"task.p": p, "split.fraction": f, "memorised": 200, "grokked": 1000 if hit else 200, "seed": s}
        for p, f, hit in cells
        for s in SEEDS
    ]
    return {
        "mainline": part(rows("transformer")),
        "cleanup": part(rows("concatenated")),
        "widths": part(rows("one_hot", **{"model.widths": [128, 128]})),
        "regularisers": part(rows("summed", **{"optim.weight_decay": 1.0})),
        c4.STUDY: part(small, axes=["task.p", "split.fraction"]),
    }


@pytest.mark.parametrize(
    ("late", "much", "expected"),
    [
        (lambda name: True, False, ("supported", "supported")),
        (lambda name: name != "one_hot", True, ("mixed", "refuted")),
    ],
)
def test_c4(late, much, expected):
    found = judge(c4.CLAIM, data(late, much))
    assert (found.observation.verdict, found.interpretation.verdict) == expected
    assert found.numbers["delay_p23"].value == 5


# D3


@pytest.mark.parametrize(
    ("grokked", "expected"),
    [
        (lambda width, depth: width not in (4, 512), "supported"),
        (lambda width, depth: True, "refuted"),
        (lambda width, depth: width > 4, "mixed"),
    ],
)
def test_d3(grokked, expected):
    rows = [
        {"model.widths": [w] * depth, "seed": s, "grokked": 10 * w + s if grokked(w, depth) else None}
        for depth, widths in d3.WIDTHS.items()
        for w in widths
        for s in SEEDS
    ]
    found = judge(d3.CLAIM, {d3.STUDY: part(rows, axes=["model.widths"])})
    assert found.verdict == expected
    assert found.numbers["train_1"].value == 1


# D5

END = {"test_end": 0.9, "end_state": "comprehension"}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (lambda name: 2000, "supported"),
        (lambda name: None, "refuted"),
        (lambda name: 150, "refuted"),
        (lambda name: 2000 if name == "s4" else None, "mixed"),
    ],
)
def test_d5(step, expected):
    rows = [
        {"task": json.dumps({"name": "x", "rule": wanted}), "seed": s, "grokked": step(name)} | END
        for name, (_, wanted) in d5.TASKS.items()
        for s in SEEDS
    ]
    found = judge(d5.CLAIM, {d5.STUDY: part(rows, axes=["task"])})
    assert found.verdict == expected
    assert found.numbers["at_once"].value == 1
    assert found.numbers["end_cubic"].value == pytest.approx(0.9) or step("cubic") is not None


# D6


def tickets(**steps):
    """Steps to generalise of every kind of network; a little more for each seed, None where it never does."""
    told = {"whole": 4000, "ticket": 600, "norm": 2500, "random": None, "memorised": None} | steps

    def rows(name):
        step = told[name]
        return [{"seed": s, "grokked": None if step is None else step + 20 * s, "last": 8000} for s in SEEDS]

    forks = [{"change": name} | row for name in told if name != "whole" for row in rows(name)]
    return {d6.WHOLE: part(rows("whole")), d6.FORKS: part(forks, axes=["change"])}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({}, ("supported", "supported")),
        ({"norm": 300}, ("supported", "refuted")),
        ({"whole": 300}, ("refuted", "supported")),
        ({"ticket": None}, ("refuted", "refuted")),
        ({"ticket": None, "norm": None, "whole": None}, ("mixed", "mixed")),
    ],
)
def test_d6(steps, expected):
    found = judge(d6.CLAIM, tickets(**steps))
    assert (found.observation.verdict, found.interpretation.verdict) == expected


def test_d6_compares_run_by_run_and_counts_a_run_that_never_does_with_its_last_step():
    found = judge(d6.CLAIM, tickets()).numbers
    by_hand = 1.0
    for s in SEEDS:
        by_hand *= ((600 + 20 * s) / 8000) ** (1 / len(SEEDS))
    assert found["over_random"].value == pytest.approx(by_hand)
    assert found["share_random"].value == 0
    assert found["step_random"].value == 8000
    assert found["over_whole"].low < found["over_whole"].value < found["over_whole"].high < 1


def test_d6_without_a_control_of_some_seed():
    results = tickets()
    forks = results[d6.FORKS]
    results[d6.FORKS] = replace(forks, runs=forks.runs.filter((pl.col("change") != "norm") | (pl.col("seed") > 1)))
    found = judge(d6.CLAIM, results)
    assert found.numbers["over_norm"].runs == 3
    assert found.numbers["over_whole"].runs == 5
    assert "preliminary: 3 seeds" in found.notes[0]

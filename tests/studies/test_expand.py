"""From `study.toml` to runs: the grid as a plain loop would make it, and every fault at once with its cells."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from latebloom.errors import LatebloomError
from latebloom.spec import override, put, read, resolve
from latebloom.studies.expand import Plan, expand, plan_of
from latebloom.studies.study import StudyError, study_from

GRID = """
question = "Which?"
base = "quick"
seeds = [3, 5]
measures = "none"
[set]
steps = 30
model.d_mlp = 64
[axes]
optim.weight-decay = {from = 0.1, to = 10, count = 3, scale = "log"}
"split.fraction" = {from = 0.3, to = 0.5, step = 0.1}
[zipped.width]
model.d_model = [8, 16]
model.n_heads = [2, 4]
"""


def made(text: str) -> Plan:
    study, faults = study_from(tomllib.loads(text), Path("grid.toml"))
    assert faults == []
    return expand(study)


def test_the_grid_is_that_of_a_plain_loop():
    plan = made(GRID)
    table = override(read("quick")[1], {"steps": "30", "model.d_mlp": "64", "log.measures": "none"})
    expected = []
    for seed in (3, 5):
        for decay, fraction, (width, heads) in itertools.product((0.1, 1.0, 10.0), (0.3, 0.4, 0.5), ((8, 2), (16, 4))):
            cell = {"optim.weight_decay": decay, "split.fraction": fraction, "width": [width, heads]}
            changes = {"optim.weight_decay": decay, "split.fraction": fraction}
            changes |= {"model.d_model": width, "model.n_heads": heads, "seed": seed}
            expected.append((resolve(put(table, changes)), cell, seed))
    assert [(r.id, r.cell, r.seed) for r in plan.file.runs] == [(s.run_id, c, n) for s, c, n in expected]
    assert list(plan.specs.values()) == [spec for spec, _, _ in expected]
    assert plan.file.name == "grid"


def test_a_study_without_axes_is_its_seeds():
    plan = made('base = "quick"\nseeds = 4')
    assert [spec.seeds.init for spec in plan.specs.values()] == [0, 1, 2, 3]
    assert [run.cell for run in plan.file.runs] == [{}] * 4


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("{from = 0.1, to = 0.7, step = 0.2}", [0.1, 0.3, 0.5, 0.7]),
        ("{from = 0.1, to = 0.6, step = 0.2}", [0.1, 0.3, 0.5]),
        ("{from = 3, to = 1, step = -1}", [3, 2, 1]),
        ("{from = 64, to = 1024, count = 5, scale = 'log'}", [64, 128, 256, 512, 1024]),
        ("{from = 1, to = 10, count = 3, scale = 'log'}", [1.0, 3.16227766017, 10.0]),
        ("{from = 0, to = 1, count = 5}", [0.0, 0.25, 0.5, 0.75, 1.0]),
    ],
)
def test_ranges(given, values):
    study, faults = study_from(tomllib.loads(f"base = 'quick'\n[axes]\nx.y = {given}"), Path("a.toml"))
    assert faults == []
    assert list(study.axes[0].values) == values
    assert [type(v) for v in study.axes[0].values] == [type(v) for v in values]


@pytest.mark.parametrize(
    ("entry", "left_out"),
    [
        ("optim.weight_decay = 0.1", lambda d, f, w: d == 0.1),
        (
            "optim.weight_decay = {above = 0.5}\nsplit.fraction = [0.3, 0.5]",
            lambda d, f, w: d > 0.5 and f in (0.3, 0.5),
        ),
        ("model.d_model = 8\nsplit.fraction = {above = 0.3, below = 0.5}", lambda d, f, w: w == 8 and f == 0.4),
    ],
)
def test_excluded_cells(entry, left_out):
    everything, rest = made(GRID).file.runs, made(f"{GRID}\n[[exclude]]\n{entry}").file.runs
    expected = [r.id for r in everything if not left_out(*list(r.cell.values())[:2], r.cell["width"][0])]
    assert [r.id for r in rest] == expected
    assert 0 < len(rest) < len(everything)


def test_a_base_file_lies_beside_the_study(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'steps = 7\n[task]\nname="modular"\np=7\n[model]\nname="mlp"\n[optim]\nname="sgd"\n'
    )
    (tmp_path / "My_Study.toml").write_text('base = "mine.toml"\nset.log.every = 2')
    plan = plan_of(tmp_path / "My_Study.toml")
    (spec,) = plan.specs.values()
    assert (spec.steps, spec.log.every, plan.file.name) == (7, 2, "my-study")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("", ["base: expected a preset's name or a spec file, got None"]),
        ("bse = 'quick'", ["bse: no such field; did you mean base?"]),
        ("base = 'quikc'", ["base: no such preset: quikc; did you mean quick?"]),
        ("base = 'none.toml'", ["none.toml could not be read"]),
        ("base = 'quick'\nname = '../x'", ["name: expected lower-case letters, digits and hyphens, got '../x'"]),
        ("base = 'quick'\nname = ''", ["name: expected lower-case"]),
        ("base = 'quick'\nseeds = 0", ["seeds: expected how many, or a list of different seeds ≥ 0, got 0"]),
        ("base = 'quick'\nseeds = [1, 1]", ["got [1, 1]"]),
        ("base = 'quick'\nseeds = [-1]", ["got [-1]"]),
        ("base = 'quick'\nquestion = 3", ["question: expected a sentence, got 3"]),
        ("base = 'quick'\nset = 3", ["set: expected a table of fields, got 3"]),
        ("base = 'quick'\naxes = 3", ["axes: expected a table of fields"]),
        ("base = 'quick'\n[axes]\nseed = [1, 2]", ["seed: expected the seeds of a study under `seeds`"]),
        ("base = 'quick'\n[axes]\noptim.lr = []", ["axes.optim.lr: expected a list of values or a range"]),
        ("base = 'quick'\n[axes]\noptim.lr = 3", ["axes.optim.lr: expected a list of values or a range"]),
        ("base = 'quick'\n[axes]\noptim.lr = [1e-3, 0.001]", ["axes.optim.lr: expected each value once"]),
        ("base = 'quick'\n[axes]\noptim.lr = {from = 1, to = 2}", ["expected from, to, and either step or count"]),
        ("base = 'quick'\n[axes]\noptim.lr = {from = 0, to = 2, count = 3, scale = 'log'}", ["expected positive ends"]),
        ("base = 'quick'\n[axes]\noptim.lr = {from = 0, to = 2, step = 0}", ["expected a step that leads"]),
        (
            "base = 'quick'\n[axes]\noptim.lr = {from = 0, to = 2, cuont = 2}",
            ["no such field cuont; did you mean count?"],
        ),
        ("base = 'quick'\n[axes]\noptim.lr = {from = 0, to = inf, count = 2}", ["expected a number for to, got inf"]),
        ("base = 'quick'\n[axes]\noptim.lr = {from = 0, to = 1, step = 1e-9}", ["expected at most 100,000 values"]),
        ("base = 'quick'\nseeds = 1000\n[axes]\noptim.lr = {from = 0, to = 1, count = 200}", ["at most 100,000 runs"]),
        ("base = 'quick'\n[zipped.w]\nmodel.d_mlp = [1, 2]", ["zipped.w: expected at least two fields"]),
        ("base = 'quick'\n[zipped.w]\nmodel.d_mlp = [1, 2]\noptim.lr = [1]", ["2 for model.d_mlp, 1 for optim.lr"]),
        ("base = 'quick'\n[axes]\noptim.lr=[1]\n[zipped.w]\noptim.lr=[1]\nsteps=[1]", ["optim.lr: expected one axis"]),
        ("base = 'quick'\n[axes]\noptim.lr=[1]\n[[exclude]]\noptim.lr=1", ["exclude: expected cells to be left"]),
        ("base = 'quick'\n[axes]\noptim.lr=[1]\n[[exclude]]\noptim.rl=1", ["exclude.0.optim.rl: no axis sets this"]),
        (
            "base = 'quick'\n[axes]\nsteps = [5, 6]\noptim.lr = [-1.0, 1.0]",
            ["got -1.0 (in 2 cells, all with optim.lr = -1.0)"],
        ),
        ("base = 'quick'\n[axes]\nsteps.x = [5, 6]", ["expected a table at steps, got the value 2800 (in 2 cells)"]),
        (
            "base = 'quick'\n[axes]\nloss.name = ['mse', 'x']\noptim.lr = [1]",
            ["no such loss 'x'", "module:function (loss.name = x, optim.lr = 1)"],
        ),
        (
            "base = 'quick'\n[axes]\nsources.x = [1, 2]",
            ["axes: the same run as with sources.x = 1: an axis changes nothing"],
        ),
        (
            "base = 'quick'\nsede = 3\n[axes]\noptim.wieght_decay = [1]\nsplit.fraction = [0.5, 1.5]\nsteps = 2",
            [
                "the study has 4 faults",
                "sede: no such field; did you mean seeds?",
                "axes.steps: expected a list",
                "optim.wieght_decay: no such field; did you mean weight_decay? (in 2 cells, all with optim.wieg",
                "split.fraction: expected less than 1, got 1.5 (optim.wieght_decay = 1, split.fraction = 1.5)",
            ],
        ),
    ],
)
def test_every_fault_is_told_with_its_path_and_cells(tmp_path, text, messages):
    file = tmp_path / "study.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(StudyError, match="the study has") as caught:
        plan_of(file)
    for message in messages:
        assert message in str(caught.value)


def test_a_file_that_is_no_study(tmp_path):
    with pytest.raises(LatebloomError, match="could not be read: No such file"):
        plan_of(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_text("base =", "utf-8")
    with pytest.raises(LatebloomError, match="expected TOML, got a syntax error"):
        plan_of(tmp_path / "a.toml")

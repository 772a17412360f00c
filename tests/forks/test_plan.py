"""Files of forks: what they mean, and every fault of one at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from latebloom.errors import LatebloomError
from latebloom.forks import read_plan
from latebloom.spec import SpecError

WHOLE = """
question = "What does decay do after memorising?"
at = ["memorised", 400]
steps = 2000
recorded = {"checkpoints.every" = 1000}

[[change]]
name = "no decay"
set = {"optim.weight_decay" = 0}

[[change]]
surgery = "remove-frequencies:where=readout"
at = ["grokked"]
steps = 500
reset_optimiser = true
set.log.every = 10
set.optim.lr = 0.1
"""


def write(folder: Path, text: str) -> Path:
    (folder / "plan.toml").write_text(text, "utf-8")
    return folder / "plan.toml"


def test_a_file_is_read(tmp_path):
    plan = read_plan(write(tmp_path, WHOLE), ())
    assert plan.question == "What does decay do after memorising?"
    first, second = plan.parts
    assert (first.moments, first.steps, first.recorded) == (("memorised", "400"), 2000, {"checkpoints.every": 1000})
    assert first.changes[0].settings == {"optim.weight_decay": 0}
    assert first.changes[0].title == "no decay"
    assert (second.moments, second.steps) == (("grokked",), 500)
    assert second.recorded == {"checkpoints.every": 1000, "log.every": 10}
    (change,) = second.changes
    assert (change.settings, change.reset_optimiser) == ({"optim.lr": 0.1}, True)
    assert change.surgery == {"name": "remove-frequencies", "where": "readout"}
    assert change.title == "optim.lr=0.1, remove-frequencies:where=readout, reset-optimiser"


def test_every_fault_is_told_at_once(tmp_path):
    text = WHOLE + 'chnge = 1\n[[change]]\nat = [true]\nsteps = 0\nset = 3\n[[change]]\nsurgery = "prune:b"\nname = 7\n'
    text = text.replace("checkpoints.every", "optim.lr")
    with pytest.raises(SpecError) as error:
        read_plan(write(tmp_path, text), ())
    for words in (
        "recorded.optim.lr: expected a field of log or checkpoints",
        "change.2.chnge: no such field",
        "change.3.at: expected a list of events and steps, got [True]",
        "change.3.steps: expected a whole number of steps after the fork, got 0",
        "change.3.set: expected a table of fields, got 3",
        "change.4.surgery: --surgery prune:b: expected NAME:field=value",
        "change.4: expected a name as text",
    ):
        assert words in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected tables of what is changed"),
        ("at = [", "expected TOML, got a syntax error"),
        ("x = 1", "x: no such"),
    ],
)
def test_what_is_no_plan(tmp_path, text, message):
    with pytest.raises(LatebloomError, match=message):
        read_plan(write(tmp_path, text), ())
    with pytest.raises(LatebloomError, match="could not be read"):
        read_plan(tmp_path / "none.toml", ())

"""`latebloom analyse` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

from latebloom.spec import override, read, resolve, write

SMALL = [
    "--task.p=7",
    "--model.d-model=8",
    "--model.n-heads=2",
    "--model.d-mlp=8",
    "--steps=20",
    "--checkpoints.every=10",
]

SETTINGS = [setting.split("=") for setting in SMALL]


def test_a_run_is_analysed_at_its_end_and_at_a_step(command):
    assert command("run", "--measures=none", *SMALL)[0] == 0
    code, out, err = command("analyse", "seed-0")
    assert (code, err) == (0, "")
    page = Path(out.split("Page: ")[1].strip())
    assert page.name == "circuit-step-20.html"
    assert "<html" in page.read_text("utf-8")
    assert "key frequencies: " in out
    assert 0 < out.count("(asked: ") < 13
    assert "nan" not in out
    code, out, _ = command("analyse", "seed-0", "--at", "10", "--json")
    told = json.loads(out)
    assert (code, told["setting"]["step"]) == (0, 10)
    assert Path(told["page"]).is_file()
    assert json.loads(Path(told["record"]).read_text("utf-8"))["verdict"] == told["verdict"]
    # the run itself is as it was
    assert command("ls")[1].count("done") == 1


def test_what_cannot_be_analysed_is_told_and_ends_with_2(command):
    code, _, err = command("analyse", "nothing")
    assert code == 2
    assert "There is no run 'nothing'" in err
    plain = resolve(override(read("quick")[1], {name.strip("-").replace("-", "_"): value for name, value in SETTINGS}))
    table = plain.model_dump(mode="json") | {"task": {"name": "polynomial", "p": 5, "formula": "x^2 + xy + y^2"}}
    Path("poly.toml").write_text(write(resolve(table)), "utf-8")
    assert command("run", "poly.toml", "--measures=none")[0] == 0
    code, _, err = command("analyse", "runs/poly/seed-0")
    assert code == 2
    assert "the task states no cyclic group. The four lines of evidence" in " ".join(err.split())
    assert command("run", "--measures=none", *SMALL)[0] == 0
    code, _, err = command("analyse", "runs/quick/seed-0", "--at", "5")
    assert code == 2
    assert "has no checkpoint of step 5" in " ".join(err.split())

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray

import latebloom
from latebloom import Recorder
from latebloom.errors import LatebloomError


def record(tmp_path, name: str = "mine", steps: int = 20) -> Recorder:
    with Recorder(name, {"lr": 0.1, "layers": [3, 4]}, runs=tmp_path) as recorder:
        for step in range(steps):
            share = torch.tensor(step / (steps - 1))
            row = {"train_loss": 1.0 / (step + 1), "train_accuracy": float(step > 2), "test_accuracy": share}
            if step % 5 == 0:
                row["spectrum"] = xarray.DataArray(
                    np.arange(3.0) * step, dims=["frequency"], coords={"frequency": [0, 1, 2]}
                )
            recorder.log(step, row)
        recorder.keep(step, {"layer.weight": torch.full((2, 2), 7.0, requires_grad=True)})
    return recorder


def test_a_loop_of_ones_own_has_the_same_store_events_and_report(tmp_path):
    recorder = record(tmp_path)
    run = latebloom.open(tmp_path / "recorded" / "mine")
    assert run.state == "done"
    assert run.scalars["train_loss"].to_list() == pytest.approx([1 / (n + 1) for n in range(20)])
    assert run.arrays["spectrum"].sel(step=10).values.tolist() == [0, 10, 20]
    steps = {event["name"]: event["found"]["step"] for event in run.events}
    assert (steps["memorised"], steps["generalised"], steps["grokked"]) == (3, None, None)
    assert run.spec["settings"] == {"lr": 0.1, "layers": [3, 4]}
    assert torch.equal(run.params(19)["layer.weight"], torch.full((2, 2), 7.0))
    page = recorder.report().read_text("utf-8")
    assert "Memorised" in page
    assert "test_recorder.py" in page


def test_a_second_run_of_the_same_name_stands_beside_the_first(tmp_path):
    record(tmp_path)
    assert record(tmp_path, steps=10).run.folder == tmp_path / "recorded" / "mine-2"
    assert len(latebloom.open(tmp_path / "recorded" / "mine").scalars) == 20


def test_an_error_in_the_loop_keeps_what_was_logged(tmp_path):
    recorder = Recorder("mine", {}, runs=tmp_path)

    def loop():
        with recorder:
            recorder.log(0, {"train_loss": 1.0})
            raise ZeroDivisionError("of the loop")

    with pytest.raises(ZeroDivisionError, match="of the loop"):
        loop()
    assert recorder.run.state == "failed"
    assert "ZeroDivisionError" in recorder.run.status.error
    assert len(recorder.run.scalars) == 1


def test_what_cannot_be_recorded_is_said(tmp_path):
    with pytest.raises(LatebloomError, match="settings: expected numbers, texts, lists"):
        Recorder("mine", {"device": torch.device("cpu")}, runs=tmp_path)
    with Recorder("mine", {}, runs=tmp_path) as recorder:
        with pytest.raises(LatebloomError, match="noise: expected a number or an xarray"):
            recorder.log(0, {"noise": torch.zeros(3)})
        recorder.log(0, {"noise": 1})
        with pytest.raises(LatebloomError, match="log each step once"):
            recorder.log(0, {"noise": 1})


def test_the_digits_example(tmp_path):
    script = Path(__file__).parents[1] / "examples" / "digits.py"
    done = subprocess.run([sys.executable, str(script), "60"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    run = latebloom.open(tmp_path / "runs" / "recorded" / "digits")
    assert run.scalars["test_accuracy"][-1] > run.scalars["test_accuracy"][0]
    assert run.scalars["alignment"].is_between(-1, 1).all()
    assert run.scalars["hoyer_raw_weights"].is_between(0, 1).all()
    assert "cos(g, Hg)" in (run.folder / "report.html").read_text("utf-8")

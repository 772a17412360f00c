"""Runs to draw: a tiny one with everything logged, and the views' stand-in that looks like grokking."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import xarray

import latebloom
import made_curves
from dashboard_runs import small
from latebloom.experiment import run_experiment
from latebloom.figures.registry import kinds


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Sixty steps of a network of 24 neurons on a + b mod 11, with seven checkpoints."""
    return run_experiment(small(), tmp_path_factory.mktemp("runs"), "tiny", threads=1)


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Accuracies and losses alone, and no checkpoint but the last."""
    spec = small(log__measures="none", steps="12", checkpoints__every="12")
    return run_experiment(spec, tmp_path_factory.mktemp("runs"), "bare", threads=1)


@pytest.fixture(scope="session")
def made(tiny):
    """Every figure of the tiny run, made once."""
    of_runs = [name for name, kind in kinds().items() if kind.of == "run"]
    return {name: getattr(latebloom.figures, name.replace("-", "_"))(tiny) for name in of_runs}


@pytest.fixture(scope="session")
def phased():
    """Curves with all phases of Nanda et al., at known steps, without training."""
    step = made_curves.steps()
    scalars = made_curves.frame(step, made_curves.curves(made_curves.Times(), step), None, 0.0)
    spec = {"task": {"name": "modular", "operation": "add", "p": 113}, "steps": 20_000}
    summary = {"title": "a + b mod 113", "missing": {}}
    facts = {"id": "seed-0-made", "folder": Path("made"), "checkpoints": [], "events": []}
    return SimpleNamespace(**facts, spec=spec, summary=summary, scalars=scalars, arrays=xarray.Dataset())

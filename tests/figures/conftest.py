"""Runs to draw: a tiny one, with made-up values of what is slow to measure; and one that looks like grokking."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import xarray

import latebloom
import made_curves
from dashboard_runs import small
from latebloom.analysis.circuits import analyse_circuit
from latebloom.analysis.circuits.over_training import over_training
from latebloom.analysis.circuits.stored import store_circuit, store_over_training
from latebloom.experiment import run_experiment
from latebloom.figures.registry import kinds
from latebloom.store import Run, open_study
from study_of_ends import study_of_ends

SLOW = (
    *("alignment", "alignment_batch", "alignment_published", "alignment_published_valid", "gradient_norm"),
    *("hessian_gradient_norm", "hessian_max", "hessian_min", "gradient_curvature", "update_curvature"),
    *("hessian_trace", "gauss_newton_trace", "gradient_captured_top", "update_captured_top", "hessian_negative_mass"),
    *("irrep_logit_fve", "irrep_W_a_key_share", "irrep_excluded_loss_train", "irrep_restricted_loss_all"),
)


class Measured(Run):
    """A run that has logged everything, the slow measures at every other row, and those of another task's group."""

    @property
    def scalars(self) -> pl.DataFrame:
        there, rng = super().scalars, np.random.default_rng(0)
        taken = pl.int_range(there.height) % 2 == 0
        drawn = [pl.when(taken).then(pl.Series(rng.uniform(0.1, 1, there.height))).alias(name) for name in SLOW]
        return there.with_columns(drawn)

    @property
    def arrays(self) -> xarray.Dataset:
        there = super().arrays
        axes = {
            "order": ["incoming", "outgoing", "contribution"],
            "ablation": ["zero", "mean"],
            "agreement": [1.0, 0.99],
        }
        shape = (len(there["step"]), 3, 2, 2)
        sizes = np.random.default_rng(1).integers(0, 24, shape).astype(float)
        irreps = {"irrep": ["trivial", "sign", "standard"]}
        shares = np.random.default_rng(2).uniform(0.1, 0.9, (len(there["step"]), 3))
        by_irrep = xarray.DataArray(shares, dims=("step", "irrep"), coords=irreps)
        return there.assign(
            circuit_size=xarray.DataArray(sizes, dims=("step", *axes), coords=axes),
            irrep_answer_share=by_irrep,
            irrep_excluded_loss_by_irrep=by_irrep,
        )


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Sixty steps of a network of 24 neurons on a + b mod 11, with seven checkpoints, its circuit taken apart."""
    run = Measured(run_experiment(small(), tmp_path_factory.mktemp("runs"), "tiny", threads=1).folder)
    store_circuit(run, analyse_circuit(run, keys=[1, 2]))
    store_over_training(run, over_training(run, [1, 2]).to_json())
    return run


@pytest.fixture(scope="session")
def subjects(tiny, bare, tmp_path_factory):
    """What figures are of: a run, two runs (as if one were a fork of the other), a study."""
    study = open_study(study_of_ends(tmp_path_factory.mktemp("studies")))
    return {"run": tiny, "runs": (Forked(tiny.folder), tiny), "study": study}


class Twice(Measured):
    """The slow measures at the first and the last row alone."""

    @property
    def scalars(self) -> pl.DataFrame:
        there = super().scalars
        ends = pl.int_range(there.height).is_in([0, there.height - 1])
        return there.with_columns(pl.when(ends).then(pl.lit(float(i))).alias(name) for i, name in enumerate(SLOW))


@pytest.fixture(scope="session")
def twice(tiny):
    """The tiny run, as one whose slow measures were taken at its ends alone."""
    return Twice(tiny.folder)


class Forked(Measured):
    """A run that says it is a fork."""

    @property
    def spec(self) -> dict[str, Any]:
        return super().spec | {"fork": {"step": 30}}

    @property
    def provenance(self) -> dict[str, Any]:
        return super().provenance | {"fork": {"change": "optim.weight_decay 1 → 0", "twin": {"what": "itself"}}}


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """Accuracies and losses alone, and no checkpoint but the first and the last."""
    spec = small(log__measures="none", steps="12", checkpoints__every="12")
    return run_experiment(spec, tmp_path_factory.mktemp("runs"), "bare", threads=1)


@pytest.fixture(scope="session")
def phased():
    """Curves with all phases of Nanda et al., at known steps, without training."""
    step = made_curves.steps()
    scalars = made_curves.frame(step, made_curves.curves(made_curves.Times(), step), None, 0.0)
    spec = {"task": {"name": "modular", "operation": "add", "p": 113}, "steps": 20_000}
    summary = {"title": "a + b mod 113", "missing": {}}
    facts = {"id": "seed-0-made", "folder": Path("made"), "checkpoints": [], "events": []}
    return SimpleNamespace(**facts, spec=spec, summary=summary, scalars=scalars, arrays=xarray.Dataset())


@pytest.fixture(scope="session")
def made(subjects):
    """Every figure, made once."""
    options = {"survival": {"by": "weight-decay"}, "scaling": {"by": "weight-decay"}}
    figures = {}
    for name, kind in kinds().items():
        subject = subjects[kind.of]
        of = subject if kind.of == "runs" else (subject,)
        figures[name] = getattr(latebloom.figures, name.replace("-", "_"))(*of, **options.get(name, {}))
    return figures

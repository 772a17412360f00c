"""A stored study whose runs end in known ways, without training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from latebloom.analysis import Timeline
from latebloom.spec import read
from latebloom.store import Axis, RunWriter, StudyFile, StudyRun, write_study

DECAYS, RATES = (0.0, 1.0, 2.0), (0.001, 0.01)


def curves(grok: int | None, last: int = 5000, every: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps and accuracies of a run that memorises at step 400 and groks at `grok`."""
    step = np.arange(0, last + 1, every)
    train = np.where(step >= 400, 1.0, 0.1)
    test = np.where(step >= grok, 1.0, 0.1) if grok is not None else np.full(len(step), 0.1)
    return step, train, test


def finish(root: Path, run_id: str, grok: int | None, diverges: bool = False) -> None:
    timeline = Timeline()
    step, train, test = curves(grok)
    with RunWriter.open(root, "ends", run_id, {}, {}, 5000) as writer:
        for i in range(len(step)):
            row = {"train_accuracy": float(train[i]), "test_accuracy": float(test[i])}
            timeline.add(int(step[i]), row)
            writer.log(int(step[i]), row)
        events = [event.to_json() for event in timeline.events]
        if diverges:
            writer.fail("diverged: a weight is no longer finite at step 5000", events)
        else:
            writer.finish(events, {"last_step": 5000, "timing": {"wall_s": 1.0}, "final": {"train_accuracy": 1.0}})


def grok_step(decay: float, rate: float, seed: int) -> int | None:
    """Two settings that never grok, and elsewhere a step that goes as 1/λ and varies with the seed."""
    return None if decay == 0 else int((400 if rate == 0.01 else 2000) / decay) + 500 + 40 * seed


def study_of_ends(root: Path, seeds: int = 4) -> Path:
    """λ × learning rate × seeds; the last run has diverged, and one more has not begun."""
    axes = (
        Axis("optim.weight_decay", ("optim.weight_decay",), DECAYS),
        Axis("optim.lr", ("optim.lr",), RATES),
    )
    runs = [
        StudyRun(f"seed-{seed}-{i}{j}", {"optim.weight_decay": decay, "optim.lr": rate}, seed)
        for seed in range(seeds)
        for i, decay in enumerate(DECAYS)
        for j, rate in enumerate(RATES)
    ]
    base = read("quick")[1]
    waiting = StudyRun("waiting", {"optim.weight_decay": 0.0, "optim.lr": 0.01}, seeds)
    write_study(root / "ends", StudyFile("ends", "", base, axes, tuple(range(seeds + 1)), (*runs, waiting)))
    for run in runs:
        grok = grok_step(run.cell["optim.weight_decay"], run.cell["optim.lr"], run.seed)
        finish(root, run.id, grok, diverges=run is runs[-1])
    return root / "ends"

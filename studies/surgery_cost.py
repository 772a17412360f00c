"""What surgeries cost at once, without training after them: on stored checkpoints of runs, at moments of grokking.

python studies/surgery_cost.py RUN… > studies/results/surgery-cost.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch

from latebloom.analysis import find_events
from latebloom.analysis.surgery import Patient, surgery_of
from latebloom.errors import LatebloomError
from latebloom.experiment import subject_of
from latebloom.measures import Probe
from latebloom.spec import resolve
from latebloom.store import Run, open_run
from latebloom.training import Setup

MOMENTS = ("memorised", 400, "grokked", "cleanup-ended")
KEYS = {"keys_of": "end"}
SURGERIES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "key frequencies removed from W_E": {"name": "remove-frequencies", "where": "embedding", **KEYS},
    "key frequencies removed from W_U": {"name": "remove-frequencies", "where": "readout", **KEYS},
    "key frequencies removed from both": {"name": "remove-frequencies", **KEYS},
    "as many others removed from both": {"name": "remove-frequencies", "control": True, **KEYS},
    "key frequencies kept in both": {"name": "keep-frequencies", **KEYS},
    "as many others kept in both": {"name": "keep-frequencies", "control": True, **KEYS},
    "memorising neurons removed": {"name": "remove-memorising"},
    "smallest 60 % pruned": {"name": "prune", "share": 0.6},
    "random 60 % pruned": {"name": "prune", "share": 0.6, "control": True},
}


def checkpoint_at(run: Run, moment: str | int) -> int | None:
    """The first checkpoint at or after a moment."""
    found = {event.name: event.found.step for event in find_events(run.scalars.sort("step"))}
    step = moment if isinstance(moment, int) else found[moment]
    return None if step is None else next(at for at in run.checkpoints if at >= step)


def scores(patient: Patient, table: dict[str, Any]) -> dict[str, float] | str:
    """Accuracy and loss of both parts after a surgery, or why there is none."""
    try:
        params = surgery_of(table).apply(patient.params, patient) if table else patient.params
    except LatebloomError as error:
        return str(error)
    probe = Probe(patient.subject, params)
    parts = {"train": patient.subject.train_index, "test": patient.subject.test_index}
    accuracy = {f"{part}_accuracy": (probe.margins[i] > 0).double().mean().item() for part, i in parts.items()}
    return accuracy | {f"{part}_loss": probe.losses[i].mean().item() for part, i in parts.items()}


def main() -> None:
    """All surgeries at all moments of all runs."""
    torch.set_num_threads(1)
    rows = []
    for folder in sys.argv[1:]:
        run = open_run(Path(folder))
        setup = Setup.of(resolve(run.spec))
        subject, last = subject_of(setup), run.params(run.checkpoints[-1])
        for moment in MOMENTS:
            step = checkpoint_at(run, moment)
            if step is None:
                continue
            patient = Patient(subject, run.params(step), setup.spec.seeds.init, at=lambda when, last=last: last)
            for name, table in SURGERIES.items():
                row = {"seed": setup.spec.seeds.init, "moment": moment, "step": step, "surgery": name}
                rows.append(row | {"scores": scores(patient, table)})
    json.dump(rows, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()

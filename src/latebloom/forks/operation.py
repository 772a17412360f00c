"""Surgeries on the weights of a run: the patient that they look at, and how they are asked for in words."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from latebloom.analysis.surgery import Patient, surgery_of
from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.experiment import subject_of
from latebloom.forks.moments import moment_of
from latebloom.forks.state import state_at
from latebloom.models import initial_params
from latebloom.spec import value_of
from latebloom.store import Run, open_run
from latebloom.training import Setup

END = "end"
"""As a moment: a run's newest checkpoint."""


def surgery_named(text: str) -> dict[str, Any]:
    """The table of a surgery as the command line says it: `NAME`, or `NAME:field=value,field=value`.

    A comma inside brackets is the value's. What is wrong with name and fields is told when forks are prepared.

    Raises:
        LatebloomError: a field has no value.
    """
    name, _, rest = text.partition(":")
    table: dict[str, Any] = {"name": name}
    for word in _words(rest):
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise LatebloomError(f"--surgery {text}: expected NAME:field=value,…, got {word!r}")
        table[key.strip().replace("-", "_")] = value_of(value.strip())
    return table


def _words(text: str) -> list[str]:
    words, depth = [""], 0
    for letter in text:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth == 0:
            words.append("")
        else:
            words[-1] += letter
    return [word for word in words if word.strip()]


def operated(surgery: Mapping[str, Any], params: Params, setup: Setup, run: Run, root: Path) -> Params:
    """The parameters after a surgery.

    Args:
        surgery: its table.
        params: of the run at the fork.
        setup: of the run.
        run: the run, whose other steps may be looked at.
        root: the runs folder, whose other runs may be looked at.

    Raises:
        LatebloomError: the network has no such structure, or what is asked for is not to be had.
    """

    def at(when: str) -> Params:
        step = run.checkpoints[-1] if when == END else moment_of(run, when).step
        return state_at(run, setup, step)[0].params

    def donor(name: str) -> Params:
        other, _, when = name.partition("@")
        found = open_run(other, root)
        return found.params(int(when) if when else None)

    def draw(seed: int) -> Params:
        drawn = initial_params(setup.model.tensors(), setup.spec.init, seed)
        return {name: drawn[name].to(tensor) * setup.spec.init_scale for name, tensor in params.items()}

    patient = Patient(subject_of(setup), params, setup.spec.seeds.init, draw, at, donor)
    return surgery_of(surgery).apply(params, patient)

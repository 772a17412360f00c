"""Surgeries on the weights of a run: the patient that they look at, and how they are asked for in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from latebloom.analysis.surgery import SURGERIES, Patient, Surgery, surgery_of
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

    A NAME of one's own is `file.py:Class` or `module:Class`. A comma inside brackets is the value's. What is wrong with
    name and fields is told when forks are prepared.

    Raises:
        LatebloomError: a field has no value.
    """
    name, _, rest = text.partition(":")
    own, _, inside = rest.partition(":")
    if own and "=" not in own and name not in SURGERIES:
        name, rest = f"{name}:{own}", inside
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
        LatebloomError: the network has no such structure, or what is asked for is not to be had; a surgery of the
            user's own has failed, or gave other tensors.
    """

    def at(when: str) -> Params:
        step = run.checkpoints[-1] if when == END else moment_of(run, when, where="the surgery's step").step
        return state_at(run, setup, step)[0].params

    def donor(name: str) -> Params:
        other, at, when = name.partition("@")
        if at and not (when.isascii() and when.isdecimal()):
            raise LatebloomError(f"expected RUN or RUN@STEP for the donor, got {name!r}")
        return open_run(other, root).params(int(when) if at else None)

    def draw(seed: int) -> Params:
        drawn = initial_params(setup.model.tensors(), setup.spec.init, seed)
        return {name: drawn[name].to(tensor) * setup.spec.init_scale for name, tensor in params.items()}

    patient = Patient(subject_of(setup), params, setup.spec.seeds.init, draw, at, donor)
    made = surgery_of(surgery)
    return made.apply(params, patient) if surgery["name"] in SURGERIES else _by_own(made, surgery["name"], patient)


def _by_own(surgery: Surgery, name: str, patient: Patient) -> Params:
    """What the user's own surgery makes of a network, which must be the same network with other numbers."""
    before = patient.params
    # the parent's weights, which other forks begin with too, are not the user's to change in place
    given = {key: tensor.clone() for key, tensor in before.items()}
    try:
        after = surgery.apply(given, replace(patient, params=given))
        found = {key: (tuple(tensor.shape), tensor.dtype) for key, tensor in after.items()}
        finite = all(bool(tensor.isfinite().all()) for tensor in after.values())
    except LatebloomError:
        raise
    except (Exception, SystemExit) as error:
        raise LatebloomError(f"your own surgery {name} failed: {type(error).__name__}: {error}") from error
    for key in {**before, **found}:
        expected = (tuple(before[key].shape), before[key].dtype) if key in before else "no such tensor"
        if found.get(key, "none") != expected:
            got = found.get(key, "none")
            raise LatebloomError(f"your own surgery {name}: expected {key} to be {expected}, got {got}")
    if not finite:
        raise LatebloomError(f"your own surgery {name}: expected finite numbers, got some that are not")
    return {key: after[key].detach() for key in before}

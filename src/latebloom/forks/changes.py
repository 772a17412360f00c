"""What is done to a run when it is forked, and the spec of the run that comes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

from latebloom.analysis.surgery import surgery_of
from latebloom.errors import LatebloomError
from latebloom.spec import Fault, RunSpec, SpecError, canonical, put, resolve, settings, source_digest

HELD = "now"
"""As `regular.norm`: the weights' norm stays what it is at the fork."""

RECORDED = ("log", "checkpoints")
"""Parts of a spec that say what is recorded: changed for fork and twin alike."""

FIXED = {
    "steps": "expected no last step here: --steps says how many steps follow the fork",
    "epochs": "expected no epochs here: --steps says how many steps follow the fork",
    "stop": "expected no stop rule: fork and twin run to the same last step",
    "device": "expected the parent's device: elsewhere the twin would be computed with other rounding",
    "init": "expected the parent's: the initial weights lie behind the fork",
    "init_scale": "expected the parent's: the initial weights lie behind the fork",
    "seeds.init": "expected the parent's: the initial weights lie behind the fork",
    "seed": "expected seeds.split or seeds.order: the initial weights lie behind the fork",
    "fork": "expected nothing here: it says which run is forked",
    "sources": "expected nothing here: it follows from the task, the network and the optimiser",
}
"""Fields of a spec that a fork cannot change, and why."""


@dataclass(frozen=True)
class Change:
    """What is changed; nothing at all in a twin.

    Attributes:
        settings: values of fields of the spec, by path.
        surgery: what is done to the weights: a surgery's name and its settings.
        reset_optimiser: whether the optimiser and the gradient rule begin as at step 0.
        name: for tables; by default in the words of the command line.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    surgery: Mapping[str, Any] | None = None
    reset_optimiser: bool = False
    name: str = ""

    @property
    def title(self) -> str:
        """Its name."""
        told = [f"{path}={_said(value)}" for path, value in self.settings.items()]
        if self.surgery is not None:
            inside = ",".join(f"{key}={_said(value)}" for key, value in self.surgery.items() if key != "name")
            told.append(f"{self.surgery['name']}:{inside}" if inside else str(self.surgery["name"]))
        told += ["reset-optimiser"] * self.reset_optimiser
        return self.name or ", ".join(told) or "nothing changed"


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def whole(surgery: Mapping[str, Any]) -> dict[str, Any]:
    """A surgery's table with every default in it, so that one surgery has one identity.

    Raises:
        SpecError: it has a fault.
    """
    made = surgery_of(surgery)
    values = asdict(made)  # pyright: ignore[reportArgumentType]
    table = {"name": surgery["name"]} | {name: values[name] for name in settings("surgery", type(made))}
    try:
        # as JSON has it: tuples are lists
        return json.loads(json.dumps(table, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SpecError([Fault("surgery", f"expected settings that JSON can hold: {error}")]) from None


def told_apart(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings that change a run, and those that only say what is recorded of it, by canonical path."""
    named = {canonical(path): value for path, value in settings.items()}
    recorded = {path: value for path, value in named.items() if path.partition(".")[0] in RECORDED}
    return {path: value for path, value in named.items() if path not in recorded}, recorded


def forked_spec(
    parent: RunSpec, step: int, last: int, change: Change, recorded: Mapping[str, Any], held: float
) -> RunSpec:
    """The spec of a fork; of the twin where nothing is changed.

    Args:
        parent: the spec of the run that is forked.
        step: where.
        last: the fork's last step.
        change: what is changed.
        recorded: settings of what is recorded.
        held: the norm of the weights at the fork, as a multiple of the initial norm.

    Raises:
        SpecError: with every fault.
    """
    faults, surgery = _fixed_faults(change.settings), None
    try:
        surgery = None if change.surgery is None else whole(change.surgery)
    except SpecError as error:
        faults += error.faults
    table = parent.model_dump(mode="json", exclude={"sources", "fork"}) | {"steps": last, "stop": {}}
    values = {path: held if path == "regular.norm" and value == HELD else value for path, value in _free(change)}
    spec = None
    try:
        spec = resolve(put(table, values | dict(recorded)))
    except SpecError as error:
        faults += error.faults
    except LatebloomError as error:
        faults.append(Fault("", str(error)))
    faults += _size_faults(parent, spec, values) + _schedule_faults(parent, last)
    if faults or spec is None:
        raise SpecError(faults)
    fork = {
        "parent": parent.identity,
        "step": step,
        "surgery": surgery,
        "source": None if surgery is None else source_digest("surgery", surgery["name"]),
        "reset_optimiser": change.reset_optimiser,
    }
    return RunSpec.model_validate(spec.model_dump(mode="json") | {"fork": fork})


def _free(change: Change) -> list[tuple[str, Any]]:
    return [(path, value) for path, value in change.settings.items() if not _fixed(path)]


def _fixed(path: str) -> str:
    """Why a field cannot be changed; empty where it can."""
    parts = path.split(".")
    return next((FIXED[p] for n in range(1, len(parts) + 1) if (p := ".".join(parts[:n])) in FIXED), "")


def _fixed_faults(settings: Mapping[str, Any]) -> list[Fault]:
    return [Fault(path, why) for path in settings if (why := _fixed(path))]


def _size_faults(parent: RunSpec, spec: RunSpec | None, settings: Mapping[str, Any]) -> list[Fault]:
    """A network that the parent's weights do not fit, laid to each setting that makes it so by itself."""
    ours = _shapes(parent)
    guilty: dict[str, RunSpec] = {}
    for path, value in settings.items():
        if path.partition(".")[0] in ("task", "model"):
            with suppress(LatebloomError):  # what cannot be resolved is told by all settings together
                table = parent.model_dump(mode="json", exclude={"sources", "fork"})
                guilty[path] = resolve(put(table, {path: value}))
    guilty |= {} if spec is None else {"model": spec}
    faults = []
    for path, theirs in ((path, _shapes(spec)) for path, spec in guilty.items()):
        differ = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
        if differ and not (path == "model" and faults):
            name = differ[0]
            got = f"{name} of shape {theirs.get(name, 'none')}, not {ours.get(name, 'none')}"
            faults.append(Fault(path, f"expected a network that the parent's weights fit, got {got}"))
    return faults


def _shapes(spec: RunSpec) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in spec.build_model().tensors().items()}


def _schedule_faults(parent: RunSpec, last: int) -> list[Fault]:
    """A twin whose learning rate would not be its parent's."""
    shape = parent.schedule.shape
    if shape == "constant" or last == parent.steps:
        return []
    return [
        Fault(
            "steps",
            f"expected the parent's last step, {parent.steps}, got {last}: its {shape} schedule depends on it",
        )
    ]

"""One parent on the bench: what is wrong with its forks, what they begin with, and their twins."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from latebloom import measures
from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.experiment import opened, prepared, subject_of
from latebloom.forks.asked import GROUP, Asked, Ready
from latebloom.forks.changes import HELD, Change, forked_spec
from latebloom.forks.moments import Moment, beyond
from latebloom.forks.operation import operated
from latebloom.forks.state import carried, goes_on_alike, state_at
from latebloom.spec import Fault, RunSpec, SpecError, resolve, source_file
from latebloom.store import BusyError, Layout, Origin, Run, StoreError, history_of, open_run, read_origin
from latebloom.training import Setup, TrainState


class RefusedError(LatebloomError):
    """A network that does not allow the surgery that was asked for."""


class Bench:
    """One parent, with what its forks share."""

    def __init__(self, parent: Run, root: Path, threads: int | None) -> None:
        self.parent, self.root = parent, root
        self.threads = threads or int(parent.provenance.get("threads", 1))
        try:
            self.spec = resolve(parent.spec)
        except SpecError as error:
            raise LatebloomError(f"{parent.folder} cannot be forked: {error}") from error
        if "imported" in parent.provenance:
            raise LatebloomError(f"{parent.folder} is an import, without an optimiser's state to go on with: train one")
        self._setup: Setup | None = None
        self._states: dict[int, tuple[TrainState, int]] = {}

    @property
    def setup(self) -> Setup:
        """The parent's data, network and rules."""
        if self._setup is None:
            torch.set_num_threads(self.threads)
            self._setup = Setup.of(self.spec)
        return self._setup

    def state(self, step: int) -> tuple[TrainState, int]:
        """Its training state at a step, and the checkpoint from which it was computed."""
        if step not in self._states:
            self._states = {step: state_at(self.parent, self.setup, step)}
        return self._states[step]

    def last(self, moment: Moment, asked: Asked) -> int:
        """The last step of a fork."""
        return self.spec.steps if asked.steps is None else moment.step + asked.steps

    def faults(self, moment: Moment, change: Change, asked: Asked) -> list[Fault]:
        """Everything that is wrong with one fork, short of training."""
        found = []
        last = self.last(moment, asked)
        if told := beyond(self.parent, moment.step):
            found.append(Fault("--at", told))
        elif last <= moment.step:
            told = f"expected steps to be left after step {moment.step} of {self.parent.id}: give --steps"
            found.append(Fault("--at", told))
        return found + self.faults_of(change, asked, moment.step, max(last, 1))

    def faults_of(self, change: Change, asked: Asked, step: int, last: int) -> list[Fault]:
        """Everything that is wrong with a change."""
        try:
            forked_spec(self.spec, step, last, change, asked.recorded, 1.0)
        except SpecError as error:
            return error.faults
        return []

    def ready(self, moment: Moment, change: Change, asked: Asked) -> Ready:
        """One fork with its beginning stored, and its twin."""
        last = self.last(moment, asked)
        spec = self._spec(moment, last, change, asked)
        if (twin := self._known_twin(spec)) is not None:
            return Ready(self.parent, moment, change, spec, twin, None, self.threads)
        params = self._changed(moment, change)
        twin, twin_spec, relation = self._twin(moment, last, asked)
        self._store(spec, moment, change, params, {"folder": _told(twin, self.root), "what": relation})
        if spec == twin_spec:
            twin_spec = None
        return Ready(self.parent, moment, change, spec, twin, twin_spec, self.threads)

    def _known_twin(self, spec: RunSpec) -> Path | None:
        """The twin of a fork that is done, as its provenance has it; None where that is not done, or is gone."""
        folder = self.root / GROUP / spec.run_id
        if not Layout(folder).manifest.is_file():
            return None
        facts = (open_run(folder).provenance.get("fork") or {}).get("twin") or {}
        twin = self.root / str(facts.get("folder", ""))
        return twin if facts and Layout(twin).manifest.is_file() else None

    def _spec(self, moment: Moment, last: int, change: Change, asked: Asked) -> RunSpec:
        held = 1.0
        if change.settings.get("regular.norm") == HELD:
            held = _norm(self._changed(moment, change)) / _norm(self.setup.initial_params)
        return forked_spec(self.spec, moment.step, last, change, asked.recorded, held)

    def _changed(self, moment: Moment, change: Change) -> Params:
        params = self.state(moment.step)[0].params
        if change.surgery is None:
            return params
        try:
            return operated(change.surgery, params, self.setup, self.parent, self.root)
        except LatebloomError as error:
            raise RefusedError(f"no surgery on {self.parent.id} at step {moment.step}: {error}") from error

    def _twin(self, moment: Moment, last: int, asked: Asked) -> tuple[Path, RunSpec | None, str]:
        """The twin's folder, its spec where it is a run of its own, and how it relates to the parent."""
        spec = forked_spec(self.spec, moment.step, last, Change(), asked.recorded, 1.0)
        folder = self.root / GROUP / spec.run_id
        told = "the parent continued from the same bits"
        if Layout(folder).manifest.is_file():
            return folder, None, f"{told}, trained before"
        run = self.parent
        went_on = run.state == "done" and (run.status.last_step or 0) >= last and spec.log == self.spec.log
        later = goes_on_alike(run, self.setup, self.state(moment.step)[0]) if went_on else None
        if later is not None:
            met = f"the parent itself: from step {moment.step} to its checkpoint of step {later} it is met bit for bit"
            return run.folder, None, met
        self._store(spec, moment, Change(), self.state(moment.step)[0].params, None)
        if not went_on:
            return (
                folder,
                spec,
                "the parent continued from the same bits: it has not itself gone that far, or logs otherwise",
            )
        return folder, spec, "the parent continued from the same bits: its own continuation had other rounding"

    def _store(
        self, spec: RunSpec, moment: Moment, change: Change, params: Params, twin: Mapping[str, Any] | None
    ) -> None:
        """Stores what a fork begins with, unless it is there already."""
        layout = Layout(self.root / GROUP / spec.run_id)
        if layout.manifest.is_file():
            return
        with suppress(StoreError):
            read_origin(layout.origin)
            return
        setup = prepared(spec)
        state, begun = self.state(moment.step)
        kept = (self.spec.optim["name"], self.spec.gradient["name"])
        start, optimiser = carried(setup, state, params, change.reset_optimiser, kept)
        origin = Origin(moment.step, start.tensors(), history_of(self.parent.scalars, moment.step))
        facts = {
            "parent": {
                "run": self.parent.id,
                "folder": _told(self.parent.folder, self.root),
                "identity": self.spec.identity,
            },
            "step": moment.step,
            "event": moment.event,
            "from_checkpoint": begun,
            "change": change.title,
            "changes": changed(self.spec, spec),
            "surgery": None if spec.fork is None else spec.fork.surgery,
            "optimiser": optimiser,
            "before": _fit(self.setup, state),
            "twin": twin,
        }
        with suppress(BusyError), opened(setup, self.root, GROUP, origin=(origin, facts)) as writer:
            if not writer.finished:
                _keep_source(spec, writer.folder)
                writer.stop("ready to be trained")


def _keep_source(spec: RunSpec, folder: Path) -> None:
    """A copy of the file of the user's own surgery, beside what it gave."""
    if spec.fork is None or spec.fork.surgery is None or spec.fork.source is None:
        return
    file = source_file("surgery", spec.fork.surgery["name"])
    try:
        if file is not None:
            shutil.copyfile(file, folder / f"surgery-{file.name}")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}") from error


def changed(parent: RunSpec, fork: RunSpec) -> dict[str, list[Any]]:
    """Fields of a fork's spec, by path, with their values in the parent and in the fork."""
    ours, theirs = (_flat(spec.model_dump(mode="json", exclude={"fork"})) for spec in (parent, fork))
    return {
        path: [ours.get(path), theirs.get(path)] for path in {**ours, **theirs} if ours.get(path) != theirs.get(path)
    }


def _flat(table: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in table.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, dict) else {before + key: value}
    return found


def _fit(setup: Setup, state: TrainState) -> dict[str, float]:
    """How well the network answers before anything is changed."""
    probe = measures.Probe(subject_of(setup), state.params, None)
    values = measures.take(probe, measures.chosen("none"))
    return {name: value for name, value in values.items() if isinstance(value, float)}


def _norm(params: Params) -> float:
    return float(torch.stack([tensor.double().square().sum() for tensor in params.values()]).sum().sqrt())


def _told(folder: Path, root: Path) -> str:
    """A run's folder below the runs folder, so that a runs folder can be moved; else the whole path."""
    try:
        return folder.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return str(folder.resolve())

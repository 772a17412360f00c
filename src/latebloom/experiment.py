"""The main path: train → measure → store → events, going on with what was started."""

from __future__ import annotations

import hashlib
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import xarray

from latebloom import measures
from latebloom.analysis import Timeline, delay
from latebloom.axes import Grads, Params
from latebloom.errors import LatebloomError
from latebloom.process import default_threads
from latebloom.provenance import provenance
from latebloom.spec import RunSpec, checkpoint_due, log_due, log_gap, own_measures, source_file, write
from latebloom.store import Layout, Origin, Run, RunWriter, StoreError, open_run, read_origin, write_origin
from latebloom.training import (
    Setup,
    TrainState,
    batch_of,
    check,
    constrained,
    decayed_update,
    hyper_at,
    multiply_adds,
    train,
    update,
)

Watcher = Callable[[int, dict[str, float], Timeline], None]
"""Called after every log row with the step, the row's numbers and the events so far."""


class DivergedError(LatebloomError):
    """A loss is no longer a finite number."""

    code = 3


class InterruptedRunError(LatebloomError):
    """The run was stopped by its user and can be resumed."""

    code = 130


def run_experiment(
    spec: RunSpec,
    root: Path,
    group: str,
    *,
    device: str | None = None,
    threads: int | None = None,
    watch: Watcher = lambda step, row, timeline: None,
    interrupted: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = warnings.warn,
    ensemble: Mapping[str, Any] | None = None,
) -> Run:
    """Trains one run from wherever it stands to its end, and returns it; a finished run is returned as it is.

    Args:
        spec: what to run.
        root: the runs folder.
        group: the folder in it, a preset's or a study's name.
        device: which device of the spec's kind ("cuda:1").
        threads: CPU threads; by default as the size of a step asks for. A run has the same bits for the same number.
        watch: told of every log row; of a run that is gone on with, first of the checkpoint's step with the newest row.
        interrupted: asked after every step; when it says so, the run is stored and stopped.
        tell: told what the user should know and what stops nothing, such as a damaged checkpoint that is passed over.
        ensemble: how the run is trained beside others, for its provenance; None when it is alone.

    Raises:
        LatebloomError: the run cannot be set up, stored or gone on with.
        DivergedError: a loss was no longer finite.
        InterruptedRunError: `interrupted` said so.
    """
    setup = prepared(spec, device)
    torch.set_num_threads(threads or default_threads(multiply_adds(setup)))
    with opened(setup, root, group, ensemble) as writer:
        if not writer.finished:
            Session(setup, writer, watch, interrupted, tell).run()
    return open_run(writer.folder)


def prepared(spec: RunSpec, device: str | None = None) -> Setup:
    """The set-up of a spec, its parts tried once.

    Raises:
        LatebloomError: they cannot be built, or do not keep their contracts.
    """
    try:
        setup = Setup.of(spec, device)
        check(setup)
        _try_own_measures(setup)
    except LatebloomError:
        raise
    except (Exception, SystemExit) as error:
        # what is built in has no excuse: its traceback is a bug report
        if not spec.sources:
            raise
        own = ", ".join(f"{kind} {name}" for kind in spec.sources for name in spec.names_of(kind))
        raise LatebloomError(f"your own {own} failed when it was tried: {type(error).__name__}: {error}") from error
    return setup


def _try_own_measures(setup: Setup) -> None:
    """Takes each of the user's own measures once.

    Raises:
        LatebloomError: one gives something else than its records say.
    """
    own = own_measures(setup.spec.log.measures)
    if not own:
        return
    state = setup.initial_state()
    if any(measure.needs_update for measure in own):
        state = update(setup, state)
    measures.take(measures.Probe(subject_of(setup), state.params, last_update(setup, state)), own)


def opened(
    setup: Setup,
    root: Path,
    group: str,
    ensemble: Mapping[str, Any] | None = None,
    origin: tuple[Origin, Mapping[str, Any]] | None = None,
) -> RunWriter:
    """The run's folder, open for writing unless it is finished, with its spec and the user's own sources.

    Args:
        setup: of the run.
        root: the runs folder.
        group: the folder in it.
        ensemble: as in `run_experiment`.
        origin: a fork's beginning, and what its provenance says of it; None when it is stored already.

    Raises:
        StoreError: as `RunWriter.open`, and of a fork whose beginning is not there.
    """
    spec, facts = setup.spec, provenance(str(setup.device)) | ({"ensemble": dict(ensemble)} if ensemble else {})
    if origin is not None:
        facts["fork"] = dict(origin[1])
    elif spec.fork is not None and not _begun(Layout(Path(root) / group / spec.run_id)):
        raise StoreError("a fork begins with its parent's state, which is not there: make it with `latebloom fork`")
    writer = RunWriter.open(root, group, spec.run_id, spec.model_dump(mode="json"), facts, spec.steps)
    if not writer.finished:
        try:
            _write_sources(spec, writer.folder)
            if origin is not None:
                write_origin(writer.origin, origin[0], {"parent": origin[1].get("parent")})
        except StoreError as error:
            writer.fail(str(error))
            raise
    return writer


def _begun(fork: Layout) -> bool:
    return fork.origin.is_file() or fork.manifest.is_file()


class Session:
    """One sitting at one run, from its newest good checkpoint to its end or to an interruption.

    `begin` gives the state to train from; every state at a step where `pauses` says so is handed to `reached`.
    """

    def __init__(
        self,
        setup: Setup,
        writer: RunWriter,
        watch: Watcher,
        interrupted: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> None:
        self.setup, self.spec, self.writer = setup, setup.spec, writer
        self.watch, self.interrupted, self.tell = watch, interrupted, tell
        self.subject = subject_of(setup)
        self.measures, self.strides = self.spec.measures, self.spec.strides
        self.timeline, self.digest = Timeline(), hashlib.sha256()
        self.row: dict[str, float] = {}
        self.seconds = {"measure_s": 0.0, "store_s": 0.0}

    def run(self) -> None:
        """Trains the run alone."""
        for state in train(self.setup, self.begin(), self.pauses):
            if self.reached(state):
                break

    def begin(self) -> TrainState:
        """The state to train from."""
        self.began = time.perf_counter()
        state, self.resumed = self._start()
        self.first = state.step
        return state

    def reached(self, state: TrainState) -> bool:
        """Stores what is due at this state; whether the run is finished with it.

        Raises:
            DivergedError: it holds something that is no number; the run is stored as failed.
            InterruptedRunError: the run was asked to stop; it is stored as stopped.
            StoreError: the disk refuses.
        """
        if not (self.resumed and state.step == self.first):
            self._record(state)
        if self._ended(state.step):
            self._finish(state)
            return True
        if self.interrupted():
            self.writer.stop("interrupted by its user", self._events())
            raise InterruptedRunError(
                f"stopped at step {state.step} of {self.spec.steps}: all is stored, "
                "and the same command goes on from there"
            )
        return False

    def _start(self) -> tuple[TrainState, bool]:
        """The newest good checkpoint, or the beginning; and whether it is the former."""
        found = self.writer.resume()
        for message in self.writer.warnings:
            self.tell(message)
        if found is None:
            return self._beginning(), False
        state = self._stored(found.step, found.tensors)
        for row in self.writer.live_scalars().iter_rows(named=True):
            numbers = {k: value for k, value in row.items() if k not in ("run", "step") and value is not None}
            self._note(row["step"], numbers)
        if found.meta.get("log") != self.digest.hexdigest():
            self.tell(f"the log does not hold what the checkpoint of step {found.step} has seen: the run begins anew")
            self.writer.begin_anew()
            self.timeline, self.digest = Timeline(), hashlib.sha256()
            return self._beginning(), False
        self.watch(state.step, self.row, self.timeline)
        return state, True

    def _beginning(self) -> TrainState:
        """The initial state; of a fork, its parent's with what was done to it, after the parent's log before it."""
        if self.spec.fork is None:
            return self.setup.initial_state()
        origin = read_origin(self.writer.origin)
        for step, row in origin.rows():
            self.writer.log(step, row)
            self._note(step, row)
        return self._stored(origin.step, origin.tensors)

    def _stored(self, step: int, tensors: dict[str, torch.Tensor]) -> TrainState:
        try:
            return self.setup.initial_state().replaced(step, tensors)
        except ValueError as error:
            raise StoreError(f"the checkpoint of step {step} is not one of this spec: {error}") from error

    def _note(self, step: int, row: dict[str, float]) -> None:
        """Takes a log row into the events and into the digest by which a checkpoint knows its log."""
        self.row = row
        self.timeline.add(step, row)
        self.digest.update(repr((step, sorted(row.items()))).encode())

    def pauses(self, step: int) -> bool:
        """Whether the state of this step is wanted."""
        due = log_due(step, self.spec.log.every) or checkpoint_due(step, self.spec.checkpoints.every)
        return due or self.interrupted()

    def _record(self, state: TrainState) -> None:
        """The log row and the checkpoint that are due at this step, in this order."""
        if log_due(state.step, self.spec.log.every) or state.step in (self.spec.first_step, self.spec.steps):
            self._log(state)
        before = time.perf_counter()
        if self._checkpoint_due(state.step) or self._ended(state.step) or self.interrupted():
            self.writer.checkpoint(state.step, state.tensors(), {"log": self.digest.hexdigest()}, self._checkpoint_due)
        self.seconds["store_s"] += time.perf_counter() - before

    def _log(self, state: TrainState) -> None:
        before = time.perf_counter()
        probe = measures.Probe(self.subject, state.params, last_update(self.setup, state))
        gap = log_gap(state.step, self.spec.log.every)
        last = state.step == self.spec.steps
        due = self.measures if last else measures.due(self.measures, state.step, gap, self.strides)
        sound = state.finite() and bool(torch.isfinite(probe.logits).all())
        # what is no number cannot be taken apart: only how well it answers is recorded
        values = self._taken(probe, due if sound else measures.chosen("none"))
        row = {name: value for name, value in values.items() if isinstance(value, float)}
        arrays = {name: value for name, value in values.items() if isinstance(value, xarray.DataArray)}
        after = time.perf_counter()
        self.writer.log(state.step, row, arrays)
        self.seconds["measure_s"] += after - before
        self.seconds["store_s"] += time.perf_counter() - after
        self._note(state.step, row)
        self.watch(state.step, self.row, self.timeline)
        if not sound:
            what = "a logit" if state.finite() else "a weight"
            message = (
                f"diverged: {what} is no longer finite at step {state.step}; try a lower optim.lr, or a larger eps"
            )
            self.writer.fail(message, self._events())
            raise DivergedError(message)

    def _taken(self, probe: measures.Probe, due: tuple[measures.Measure, ...]) -> measures.Values:
        """What is due; that one of the user's own failed is told without a traceback."""
        try:
            return measures.take(probe, due)
        except (Exception, SystemExit) as error:
            if "measures" not in self.spec.sources:
                raise
            own = ", ".join(self.spec.names_of("measures"))
            told = error if isinstance(error, LatebloomError) else f"{own} failed: {type(error).__name__}: {error}"
            self.writer.fail(str(told), self._events())
            raise LatebloomError(str(told)) from error

    def _checkpoint_due(self, step: int) -> bool:
        return checkpoint_due(step, self.spec.checkpoints.every) or step == self.spec.first_step

    def _ended(self, step: int) -> bool:
        """Whether this is the last step: the spec's, or the one that its stop rule asks for."""
        if step == self.spec.steps:
            return True
        # specs of before there was "generalised" ask for it as "grokked", and go on to end where they did
        name = {"grokked": "generalised"}.get(self.spec.stop.event, self.spec.stop.event)
        found = None if name == "never" else self.timeline.step_of(name)
        waited = found is not None and step >= found + self.spec.stop.after
        return waited and log_due(step, self.spec.log.every)

    def _finish(self, state: TrainState) -> None:
        wall = time.perf_counter() - self.began
        timing = self.seconds | {"wall_s": wall, "train_s": wall - sum(self.seconds.values())}
        timing["steps"] = state.step - self.first
        summary = {
            "title": self.setup.task.title,
            "last_step": state.step,
            "delay": delay(self.timeline.events),
            "final": self.row,
            "missing": measures.missing(self.subject, self.measures),
            "timing": timing,
        }
        if own := own_measures(self.spec.log.measures):
            # a reader has not got their file, and must not run it
            summary["definitions"] = [asdict(record) for measure in own for record in measure.records]
        self.writer.finish(self._events(), summary)
        with suppress(OSError):  # of a fork: its first checkpoint and its log hold the same
            self.writer.origin.unlink(missing_ok=True)

    def _events(self) -> list[dict[str, Any]]:
        return [event.to_json() for event in self.timeline.events]


def subject_of(setup: Setup) -> measures.Subject:
    """What the measures look at, for all steps of a run."""
    return measures.Subject(
        setup.task,
        setup.model,
        setup.examples,
        setup.train_index,
        setup.test_index,
        loss=setup.loss,
        initial=setup.initial_params,
        true_labels=setup.true_labels,
        corrupted_index=setup.corrupted_index if len(setup.corrupted_index) else None,
    )


def last_update(setup: Setup, state: TrainState) -> measures.Update | None:
    """The update that led to this state, for the measures that look at it."""
    before = state.before
    if before is None:
        return None
    hyper = hyper_at(before.step, setup)

    def redo(grads: Grads, changes: dict[str, float]) -> Params:
        changed = {name: torch.tensor(value, dtype=torch.float64) for name, value in changes.items()}
        return constrained(setup, before.params, decayed_update(setup, grads, before, hyper | changed)[0])

    values = {name: float(value) for name, value in hyper.items()}
    return measures.Update(before.params, batch_of(setup, before.step), values, state.optim, redo)


def _write_sources(spec: RunSpec, folder: Path) -> None:
    """The spec as a file that can be run again, and the user's own source files beside it."""
    try:
        (folder / "spec.toml").write_text(write(spec), "utf-8")
        for kind in spec.sources:
            for file in filter(None, (source_file(kind, name) for name in spec.names_of(kind))):
                shutil.copyfile(file, folder / f"{kind}-{file.name}")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror}") from error

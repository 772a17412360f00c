"""What a sweep will take, by trying a few steps of some shapes: seconds, bytes, and how many ensembles there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import xarray

from latebloom import measures
from latebloom.experiment import last_update, subject_of
from latebloom.spec import RunSpec, log_due, log_gap
from latebloom.training import Setup, TrainState, multiply_adds, shape_of, update

TRY_SECONDS = 1.0
"""Seconds of steps that are timed for one shape."""

MOST_TRIED = 5
"""Shapes that are timed; others are estimated by their multiply-adds."""

STARTING = 0.3
"""Seconds to set up, store and finish one run (measured for small networks)."""

PROCESS = 3.5
"""Seconds of CPU before a process trains: its imports, and what its first run alone imports (measured: 3.0 to 3.8)."""

FIXED_BYTES = 45_000
"""Of a run's folder beside its checkpoints and numbers: spec, provenance, manifest, metadata of arrays (measured)."""


@dataclass(frozen=True)
class Estimate:
    """What is left to do of a study.

    Attributes:
        runs: that are not finished.
        shapes: groups of runs that can be trained together.
        seconds: of one thread, all runs together, in processes that have started; stop rules are not foreseen.
        bytes: on disk, all runs together.
        tried: shapes that were timed.
    """

    runs: int
    shapes: int
    seconds: float
    bytes: int
    tried: int

    def elapsed(self, workers: int) -> float:
        """Seconds from the command to its end: it starts, then its workers do, side by side, and share the runs."""
        used = min(workers, self.runs)
        return PROCESS * (1 + bool(used)) + self.seconds / max(1, used)

    def processor(self, workers: int) -> float:
        """Seconds of CPU in all: of the command's start, of its workers' and of the runs."""
        return PROCESS * (1 + min(workers, self.runs)) + self.seconds


@dataclass(frozen=True)
class _Cost:
    """What was measured of one shape."""

    step: float
    measures: dict[str, float]
    multiply_adds: int
    checkpoint: int
    row: int


def estimate(specs: list[RunSpec]) -> Estimate:
    """Times the smallest and the largest shapes and some between, and adds up over all runs.

    Raises:
        LatebloomError: a run cannot be set up.
    """
    shapes: dict[str, list[RunSpec]] = {}
    for spec in specs:
        shapes.setdefault(_kind(spec), []).append(spec)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        first = [group[0] for group in shapes.values()]
        timed = {_kind(spec): _cost(spec) for spec in first[:: max(1, -(-len(first) // MOST_TRIED))]}
        seconds, size = 0.0, 0
        for shape, group in shapes.items():
            cost = timed.get(shape) or _scaled(group[0], timed)
            for spec in group:
                spent, stored = _of_run(spec, cost)
                seconds, size = seconds + spent, size + stored
    finally:
        torch.set_num_threads(threads)
    return Estimate(len(specs), len(shapes), seconds, size, len(timed))


def _kind(spec: RunSpec) -> str:
    """What decides the cost of a step and of a log row."""
    return f"{shape_of(spec)} {spec.log.measures}"


def _cost(spec: RunSpec) -> _Cost:
    setup = Setup.of(spec)
    state = update(setup, setup.initial_state())
    clock = _clock(setup.device)
    steps, began, until = 0, clock(), time.perf_counter() + TRY_SECONDS
    while steps < 200 and (steps == 0 or time.perf_counter() < until):
        state = update(setup, state)
        steps += 1
    step = (clock() - began) / steps
    seconds, row = _measuring(setup, state)
    size = sum(tensor.nbytes for tensor in state.tensors().values())
    return _Cost(step, seconds, multiply_adds(setup), size, row)


def _measuring(setup: Setup, state: TrainState) -> tuple[dict[str, float], int]:
    """Seconds of each measure of the spec, and the bytes of a row of all of them."""
    subject = subject_of(setup)
    chosen = setup.spec.measures
    # the first time, each pays for what it imports and prepares
    values = measures.take(measures.Probe(subject, state.params, last_update(setup, state)), chosen)
    probe = measures.Probe(subject, state.params, last_update(setup, state))
    clock = _clock(setup.device)
    seconds = {measure.name: _timed(partial(measures.take, probe, [measure]), clock) for measure in chosen}
    return seconds, sum(v.nbytes if isinstance(v, xarray.DataArray) else 8 for v in values.values())


def _clock(device: torch.device) -> Callable[[], float]:
    """Seconds of work: on a CPU those that this process had of it, which other processes do not lengthen."""
    if device.type == "cpu":
        return time.process_time

    def synchronised() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return synchronised


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    began = clock()
    work()
    return clock() - began


def _scaled(spec: RunSpec, timed: dict[str, _Cost]) -> _Cost:
    """The cost of a shape that was not timed: as that of the one nearest in multiply-adds, in proportion to them."""
    setup = Setup.of(spec)
    size = multiply_adds(setup)
    near = min(timed.values(), key=lambda cost: abs(cost.multiply_adds - size))
    factor = size / max(1, near.multiply_adds)
    stored = sum(tensor.nbytes for tensor in setup.initial_state().tensors().values())
    scaled = {name: seconds * factor for name, seconds in near.measures.items()}
    return _Cost(near.step * factor, scaled, size, stored, near.row)


def _of_run(spec: RunSpec, cost: _Cost) -> tuple[float, int]:
    """Seconds and bytes of a whole run."""
    chosen, strides = spec.measures, spec.strides
    seconds = STARTING + spec.steps * cost.step
    rows = 0.0
    for step in range(spec.steps + 1):
        if log_due(step, spec.log.every) or step == spec.steps:
            last = step == spec.steps
            due = chosen if last else measures.due(chosen, step, log_gap(step, spec.log.every), strides)
            seconds += sum(cost.measures.get(measure.name, 0.0) for measure in due)
            rows += len(due) / len(chosen)
    checkpoints = spec.steps // spec.checkpoints.every + 1 + bool(spec.steps % spec.checkpoints.every)
    return seconds, int(FIXED_BYTES + checkpoints * cost.checkpoint + rows * cost.row)

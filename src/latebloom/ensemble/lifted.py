"""Runs of one shape trained by one lifted update, each measured and stored as if it were alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from latebloom.ensemble.choice import Part
from latebloom.ensemble.outcome import Outcome, Watcher, failure
from latebloom.experiment import InterruptedRunError, Session, opened, prepared
from latebloom.process import default_threads
from latebloom.spec import RunSpec
from latebloom.store import StoreError
from latebloom.training import Ensemble, Setup, TrainState, multiply_adds

LONGEST = 64
"""Updates between two questions whether to stop."""

SHARE_OF_FREE = 0.4
"""Of a GPU's free memory for the update's intermediate results; the recorded graph has a pool as large beside it."""


@dataclass(eq=False)
class _Member:
    """One run and where it stands; `outcome` is None while it goes on."""

    setup: Setup
    session: Session
    state: TrainState
    outcome: Outcome | None = None

    def until_pause(self) -> int:
        """Updates to the next state that the session wants."""
        step, end = self.state.step, self.setup.spec.steps
        count = 1
        while count < LONGEST and step + count < end and not self.session.pauses(step + count):
            count += 1
        return count

    def reached(self, state: TrainState, stopping: bool) -> None:
        """Stores what is due; whatever goes wrong ends this member alone."""
        self.state, run_id = state, self.setup.spec.run_id
        if not (stopping or self.session.pauses(state.step) or state.step == self.setup.spec.steps):
            return
        try:
            if self.session.reached(state):
                self.outcome = Outcome(run_id, "done")
        except InterruptedRunError as error:
            self.outcome = Outcome(run_id, "stopped", str(error))
        except Exception as error:
            self.outcome = failure(run_id, error)
            if self.session.writer.going:
                with suppress(StoreError):  # then the disk refuses, which the outcome says already
                    self.session.writer.fail(self.outcome.error or "")


def run_lifted(
    part: Part,
    root: Path,
    group: str,
    *,
    device: str | None,
    threads: int | None,
    watch: Watcher,
    interrupted: Callable[[], bool],
    tell: Callable[[str], None],
) -> list[Outcome]:
    """As `run_ensemble`, in chunks of as many runs as the device's memory holds."""
    outcomes: list[Outcome] = []
    waiting, at_once = list(part.specs), None
    while waiting and not interrupted():
        if at_once is None:
            at_once = _at_once(waiting, device)
        chunk, waiting = waiting[:at_once], waiting[at_once:]
        asked = [False]
        with ExitStack() as writers:
            members: list[_Member] = []
            for spec in chunk:
                try:
                    setup = prepared(spec, device)
                    if not members:
                        torch.set_num_threads(threads or default_threads(multiply_adds(setup) * len(chunk)))
                    on_gpu = setup.device.type == "cuda"
                    writer = writers.enter_context(
                        opened(setup, root, group, part.facts(at_once=len(chunk), captured=on_gpu))
                    )
                    if writer.finished:
                        outcomes.append(Outcome(spec.run_id, "done"))
                        continue
                    seen = _watching(watch, spec.run_id)
                    session = Session(setup, writer, seen, lambda asked=asked: asked[0], tell)
                    members.append(_Member(setup, session, session.begin()))
                except Exception as error:
                    outcomes.append(failure(spec.run_id, error))
            _train(members, asked, interrupted)
            outcomes += [member.outcome for member in members if member.outcome]
    return outcomes


def _watching(watch: Watcher, run_id: str) -> Callable[..., None]:
    return lambda step, row, timeline: watch(run_id, step, row)


def _train(members: Sequence[_Member], asked: list[bool], interrupted: Callable[[], bool]) -> None:
    """Trains until every member has its outcome.

    Members that have ended keep their places, where nobody looks at them, until half of the places are such.
    """
    for member in members:
        member.reached(member.state, stopping=False)
    live = [member for member in members if member.outcome is None]
    places: list[_Member] = []
    ensemble = None
    while live:
        if ensemble is None or 2 * len(live) <= len(places):
            places = live
            ensemble = Ensemble([member.setup for member in live], [member.state for member in live])
        states = ensemble.advance(min(member.until_pause() for member in live))
        # asked once, so that every member is stored at this step or none is
        asked[0] = interrupted()
        for member, state in zip(places, states, strict=True):
            if member.outcome is None:
                member.reached(state, asked[0])
        live = [member for member in live if member.outcome is None]


def _at_once(specs: Sequence[RunSpec], device: str | None) -> int:
    """How many members fit: on a GPU by the memory that an update of two of the largest takes, else all."""
    largest = prepared(specs[-1], device)
    if largest.device.type != "cuda":
        return len(specs)
    free, _ = torch.cuda.mem_get_info(largest.device)
    torch.cuda.reset_peak_memory_stats(largest.device)
    before = torch.cuda.memory_allocated(largest.device)
    Ensemble([largest] * 2, [largest.initial_state()] * 2, capture=False).advance(1)
    each = (torch.cuda.max_memory_allocated(largest.device) - before) / 2
    torch.cuda.empty_cache()
    return max(1, min(len(specs), int(SHARE_OF_FREE * free / each)))

"""The main path of forks: asked for → checked and stored → trained beside their twins → compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from latebloom.analysis.forked import Comparison, compare
from latebloom.ensemble import Outcome, Watcher, run_ensemble
from latebloom.ensemble.outcome import unwatched
from latebloom.forks.asked import GROUP, Ready
from latebloom.store import open_run


@dataclass(frozen=True)
class Forked:
    """A fork that was trained.

    Attributes:
        ready: what it is.
        folder: where it lies.
        comparison: with its twin; None where one of the two has failed.
        error: why there is none.
    """

    ready: Ready
    folder: Path
    comparison: Comparison | None
    error: str | None = None


def run_forks(
    ready: Sequence[Ready],
    root: Path,
    *,
    watch: Watcher = unwatched,
    interrupted: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda text: None,
) -> list[Forked]:
    """Trains forks and twins from wherever they stand to their ends, and compares them.

    Those of one thread are trained side by side in processes of their own, others one after the other in this one.

    Raises:
        InterruptedRunError: `interrupted` said so; all is stored.
        LatebloomError: a run that is done cannot be read.
    """
    outcomes: dict[str, Outcome] = {}
    for threads in sorted({one.threads for one in ready}):
        specs = {spec.run_id: spec for one in ready if one.threads == threads for spec in one.specs}
        found = run_ensemble(
            list(specs.values()),
            root,
            GROUP,
            engine=None if threads == 1 else "one-by-one",
            threads=threads,
            watch=watch,
            interrupted=interrupted,
            tell=tell,
        )
        outcomes |= {outcome.run_id: outcome for outcome in found}
    return [_compared(one, root, outcomes) for one in ready]


def _compared(one: Ready, root: Path, outcomes: dict[str, Outcome]) -> Forked:
    folder = root / GROUP / one.spec.run_id
    for run_id in (one.spec.run_id, one.twin.name):
        outcome = outcomes.get(run_id)
        if outcome is not None and outcome.state != "done":
            return Forked(one, folder, None, f"{run_id}: {outcome.error}")
    # one fork may be asked for by several names
    found = replace(compare(open_run(folder), open_run(one.twin)), change=one.change.title)
    return Forked(one, folder, found)

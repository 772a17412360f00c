"""Many runs as easily as one: trained together where that pays, and each stored as if it had been alone.

Three engines do the same work:

- `lifted`: runs of one shape in one process, by one update with a run axis (`training/ensemble.py`); on a GPU, where
  many small networks are needed to fill it;
- `side-by-side`: one-thread processes, one run each at a time; on a CPU with several cores;
- `one-by-one`: one run after the other in this process.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from latebloom.ensemble.choice import Engine, chosen
from latebloom.ensemble.lifted import run_lifted
from latebloom.ensemble.outcome import Outcome, Watcher, unwatched
from latebloom.ensemble.processes import run_side_by_side
from latebloom.ensemble.single import run_one_by_one
from latebloom.experiment import InterruptedRunError
from latebloom.spec import RunSpec

__all__ = ["Engine", "Outcome", "Watcher", "outcomes_of", "run_ensemble"]

ENGINES = {"lifted": run_lifted, "side-by-side": run_side_by_side, "one-by-one": run_one_by_one}


def run_ensemble(
    specs: Sequence[RunSpec],
    root: Path,
    group: str,
    *,
    engine: Engine | None = None,
    device: str | None = None,
    threads: int | None = None,
    watch: Watcher = unwatched,
    interrupted: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = warnings.warn,
) -> list[Outcome]:
    """Trains every run from wherever it stands to its end; finished ones are left as they are.

    Each run has its own folder under `root/group`, as `run_experiment` makes it, and is resumed from its own
    checkpoints. A run that fails, by divergence or otherwise, is marked failed, and the others go on.

    Args:
        specs: what to run; of several shapes if need be, and of one kind of device.
        root: the runs folder.
        group: the folder in it.
        engine: how; by default as `choice.py` says. What cannot be lifted is trained otherwise, and `tell` is told why.
        device: which device of the specs' kind ("cuda:1").
        threads: CPU threads of this process; processes side by side have one each.
        watch: told of every log row, with the run's name.
        interrupted: asked at least every 64 steps; when it says so, all runs are stored and stopped.
        tell: told what the user should know and what stops nothing.

    Returns:
        What became of each run, in the order of `specs`.

    Raises:
        InterruptedRunError: `interrupted` said so.
    """
    found = outcomes_of(
        specs,
        root,
        group,
        engine=engine,
        device=device,
        threads=threads,
        watch=watch,
        interrupted=interrupted,
        tell=tell,
    )
    stopped = sum(outcome.state == "stopped" for outcome in found)
    if stopped:
        raise InterruptedRunError(
            f"stopped with {stopped} of {len(specs)} left to do: all is stored, and the same call goes on from there"
        )
    return found


def outcomes_of(
    specs: Sequence[RunSpec],
    root: Path,
    group: str,
    *,
    engine: Engine | None = None,
    device: str | None = None,
    threads: int | None = None,
    watch: Watcher = unwatched,
    interrupted: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = warnings.warn,
) -> list[Outcome]:
    """As `run_ensemble`, but an interruption is what became of the runs that it stopped, and raises nothing."""
    outcomes: dict[str, Outcome] = {}
    for part in chosen(specs, engine, device, tell):
        found = ENGINES[part.engine](
            part, Path(root), group, device=device, threads=threads, watch=watch, interrupted=interrupted, tell=tell
        )
        outcomes |= {outcome.run_id: outcome for outcome in found}
        if interrupted():
            break
    return [outcomes.get(spec.run_id, Outcome(spec.run_id, "stopped", "stopped before it began")) for spec in specs]

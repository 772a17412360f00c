"""One run after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from latebloom.ensemble.choice import Part
from latebloom.ensemble.outcome import Outcome, Watcher, failure
from latebloom.experiment import InterruptedRunError, run_experiment


def run_one_by_one(
    part: Part,
    root: Path,
    group: str,
    *,
    device: str | None,
    threads: int | None,
    watch: Watcher,
    interrupted: Callable[[], bool],
    tell: Callable[[str], None],
    ensemble: Mapping[str, Any] | None = None,
) -> list[Outcome]:
    """As `run_ensemble`; `ensemble`: what the provenance says of the runs' company, by default that of the part."""
    outcomes = []
    for spec in part.specs:
        if interrupted():
            break
        try:
            run_experiment(
                spec,
                root,
                group,
                device=device,
                threads=threads,
                watch=lambda step, row, timeline, name=spec.run_id: watch(name, step, row),
                interrupted=interrupted,
                tell=tell,
                ensemble=ensemble or part.facts(),
            )
            outcomes.append(Outcome(spec.run_id, "done"))
        except InterruptedRunError as error:
            outcomes.append(Outcome(spec.run_id, "stopped", str(error)))
        except Exception as error:
            outcomes.append(failure(spec.run_id, error))
    return outcomes

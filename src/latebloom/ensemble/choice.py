"""Which engine trains which runs: a function of the specs and the machine, so that a resumed run has the same one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from latebloom.experiment import prepared
from latebloom.process import cores
from latebloom.spec import RunSpec
from latebloom.training import obstacle, shape_of

Engine = Literal["lifted", "side-by-side", "one-by-one"]


@dataclass(frozen=True)
class Part:
    """Runs that one engine trains.

    Attributes:
        why: the reason for the engine, for the provenance.
    """

    engine: Engine
    specs: tuple[RunSpec, ...]
    why: str

    def facts(self, **more: Any) -> dict[str, Any]:
        """What the provenance of each of these runs says of their company."""
        return {"engine": self.engine, "why": self.why, "runs": len(self.specs)} | more


def chosen(
    specs: Sequence[RunSpec], engine: Engine | None, device: str | None, tell: Callable[[str], None]
) -> list[Part]:
    """The runs by engine, each once.

    Args:
        specs: all runs.
        engine: what the user asks for.
        device: as in `run_ensemble`.
        tell: told why runs are not lifted that should be.
    """
    once = {spec.run_id: spec for spec in specs}.values()
    shapes: dict[str, list[RunSpec]] = {}
    for spec in once:
        shapes.setdefault(shape_of(spec), []).append(spec)
    parts: list[Part] = []
    rest: dict[tuple[Engine, str], list[RunSpec]] = {}
    for members in shapes.values():
        found, why = _engine(members, len(once), engine, device, tell)
        if found == "lifted":
            # neighbours in size share an ensemble: a member is padded to the largest
            parts.append(Part("lifted", tuple(sorted(members, key=lambda spec: spec.split.fraction)), why))
        else:
            rest.setdefault((found, why), []).extend(members)
    return parts + [Part(found, tuple(members), why) for (found, why), members in rest.items()]


def _engine(
    members: list[RunSpec], runs: int, asked: Engine | None, device: str | None, tell: Callable[[str], None]
) -> tuple[Engine, str]:
    """The engine for runs of one shape among so many runs in all, and why."""
    first = members[0]
    if asked in ("one-by-one", "side-by-side"):
        return asked, "as asked for"
    beside: Engine = "side-by-side" if first.device == "cpu" and runs > 1 and cores() > 1 else "one-by-one"
    if asked is None and first.device == "cpu":
        # measured from 3e5 to 1e7 multiply-adds a step: `python benchmarks/ensembles.py --crossover`
        return beside, "on a CPU lifting is no faster"
    if asked is None and len(members) == 1:
        return beside, "one run of its shape: nothing to lift"
    try:
        setup = prepared(first, device)
    except Exception:  # told once more, by each run for itself
        return "one-by-one", "the first run of this shape cannot be set up"
    wrong = obstacle(setup)
    if not wrong:
        return "lifted", "as asked for" if asked else f"runs of one shape on {first.device}"
    if asked:
        tell(f"{len(members)} runs are not lifted but trained {beside}: {wrong}")
    return beside, f"cannot be lifted: {wrong}"

"""A fork beside its untouched twin: when they part, what became of each event, and what the change cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.analysis.events import SUSTAINED, Crossing, Event
from latebloom.analysis.timeline import find_events
from latebloom.shown import finding_table
from latebloom.store import open_run

if TYPE_CHECKING:
    import polars

    from latebloom.store import Run

LOGARITHMIC = ("train_loss", "test_loss", "weight_norm_sq", "restricted_loss_all", "excluded_loss_all_frequencies")
"""Measures whose ratios are looked at, not their differences."""

WATCHED = ("train_accuracy", "test_accuracy", *LOGARITHMIC)
"""Measures by which fork and twin part."""

ANSWERS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")

SIGMAS, LEAST, AROUND = 4.0, 0.01, 10
"""A difference counts beyond 4 σ of the twin's own noise and beyond 1 %; σ is taken over 10 log rows on either side."""

SHOCK = 100
"""Steps after the fork in which the worst value is looked for, or as many as followed."""

RULE = (
    f"first of {SUSTAINED} log rows in a row in which they differ by more than {SIGMAS:g} σ of the twin's noise and by "
    f"more than {LEAST:g} (of an accuracy; of the log of a loss or of Σw²)"
)


@dataclass(frozen=True)
class Parting:
    """When a measure of the fork left that of the twin.

    Attributes:
        measure: its name.
        step: the first log row that fulfils `RULE`; None where none does.
    """

    measure: str
    step: int | None


@dataclass(frozen=True)
class Shift:
    """What became of one event: its step in the fork less its step in the twin.

    Attributes:
        event: its name.
        fork: its step in the fork; None where it was not seen.
        twin: its step in the twin.
        low: the least that the difference can be: infinite where censoring leaves it open.
        high: the most that it can be.
        why: in words, where there is no number or only a bound.
        comparable: whether each of the two has the event or may still have it.
    """

    event: str
    title: str
    fork: int | None
    twin: int | None
    low: float
    high: float
    why: str = ""
    comparable: bool = True

    @property
    def known(self) -> bool:
        """Whether something is known of the difference."""
        return math.isfinite(self.low) or math.isfinite(self.high)


@dataclass(frozen=True)
class Comparison:
    """A fork beside its twin.

    Attributes:
        fork: the fork's name.
        twin: the twin's name.
        relation: what the twin is.
        parent: the name of the run that was forked.
        seed: of the parent's initial weights.
        step: of the fork.
        last: the last step of both.
        event: the event that the step was named by.
        change: what was changed, in words.
        changes: fields of the spec with their values in the parent and in the fork.
        surgery: what was done to the weights.
        optimiser: what became of the optimiser's state.
        parted: for each measure.
        shifts: for each event that came, or could have come, after the fork.
        cost: of each number of how well the network answers: `before` and `after` the change at the fork's step,
            `worst` and `twin_worst` within `shock` steps.
        end: of each measure at the last step: in the fork and in the twin.
        notes: what is to be known of the comparison.
    """

    fork: str
    twin: str
    relation: str
    parent: str
    seed: int
    step: int
    last: int
    event: str | None
    change: str
    changes: dict[str, list[Any]]
    surgery: dict[str, Any] | None
    optimiser: str
    parted: tuple[Parting, ...]
    shifts: tuple[Shift, ...]
    cost: dict[str, dict[str, float | None]]
    end: dict[str, dict[str, float | None]]
    notes: tuple[str, ...]

    _repr_html_ = finding_table

    @property
    def parts(self) -> int | None:
        """The first step at which any measure has left that of the twin."""
        steps = [parting.step for parting in self.parted if parting.step is not None]
        return min(steps, default=None)

    @property
    def shock(self) -> int:
        """Steps after the fork in which the worst values were looked for."""
        return min(SHOCK, self.last - self.step)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        return asdict(self) | {"parts": self.parts}


def compare(fork: Run, twin: Run) -> Comparison:
    """A fork beside its twin, which may be the parent itself; rows that only one of them has are left out.

    Raises:
        StoreError: one of them cannot be read.
    """
    facts, spec = fork.provenance.get("fork", {}), fork.spec
    step = int(spec["fork"]["step"])
    ours, theirs = common(fork, twin)
    after = ours["step"] >= step
    parted = tuple(
        Parting(name, parts(ours.filter(after), theirs.filter(after), name))
        for name in WATCHED
        if name in ours.columns and name in theirs.columns
    )
    before, last = facts.get("before", {}), int(ours["step"].max() or step)  # pyright: ignore[reportArgumentType]
    both = (frame.filter(frame["step"] <= last) for frame in (fork.scalars, twin.scalars))
    costs = partial(_cost, before, *both, step)
    return Comparison(
        fork.id,
        twin.id,
        str((facts.get("twin") or {}).get("what", "")),
        str(facts.get("parent", {}).get("run", "")),
        int(spec["seeds"]["init"]),
        step,
        last,
        facts.get("event"),
        str(facts.get("change", "")),
        dict(facts.get("changes", {})),
        facts.get("surgery"),
        str(facts.get("optimiser", "")),
        parted,
        tuple(shifts(find_events(ours), find_events(theirs), step)),
        {name: costs(name) for name in ANSWERS if name in before},
        {name: {"fork": _last(ours, name), "twin": _last(theirs, name)} for name in WATCHED},
        tuple(_notes(facts.get("changes", {}))),
    )


def twin_named(run: Run) -> str:
    """The folder of the twin, relative to the runs folder, as a fork's provenance names it; "" for what is no fork."""
    facts = run.provenance.get("fork")
    twin = facts.get("twin") if isinstance(facts, Mapping) else None
    named = twin.get("folder") if isinstance(twin, Mapping) else None
    return named if isinstance(named, str) else ""


def twin_of(run: Run) -> Run | None:
    """A fork's twin, where it still lies below the same root; None for what is no fork.

    The name comes from a file that anyone may have written, so that it is not followed elsewhere.
    """
    root = run.folder.resolve().parent.parent
    folder = (root / twin_named(run)).resolve()
    below = folder != root and folder.is_relative_to(root)
    return open_run(folder) if below and (folder / "spec.json").is_file() else None


def common(fork: Run, twin: Run) -> tuple[polars.DataFrame, polars.DataFrame]:
    """The log rows of the steps that both have, in order."""
    ours, theirs = fork.scalars.sort("step"), twin.scalars.sort("step")
    shared = set(ours["step"]) & set(theirs["step"])
    return ours.filter(ours["step"].is_in(list(shared))), theirs.filter(theirs["step"].is_in(list(shared)))


def parts(fork: polars.DataFrame, twin: polars.DataFrame, name: str) -> int | None:
    """The first step that fulfils `RULE` for a measure; both frames have the same steps."""
    ours, theirs = (frame[name].cast(float).to_numpy() for frame in (fork, twin))
    known = ~(np.isnan(ours) | np.isnan(theirs))
    steps, ours, theirs = fork["step"].to_numpy()[known], ours[known], theirs[known]
    if name in LOGARITHMIC:
        with np.errstate(divide="ignore", invalid="ignore"):
            ours, theirs = np.log(ours), np.log(theirs)
    # a loss of exactly 0 in both is no difference
    with np.errstate(invalid="ignore"):
        apart = np.where(ours == theirs, 0.0, np.abs(ours - theirs))
    beyond = ~(apart <= np.maximum(SIGMAS * _noise(theirs), LEAST))
    run = 0
    for place, here in enumerate(beyond):
        run = run + 1 if here else 0
        if run == SUSTAINED:
            return int(steps[place - SUSTAINED + 1])
    return None


def _noise(values: np.ndarray) -> np.ndarray:
    """σ of a curve's noise at each row, robust and free of its trend: second differences of the rows around."""
    if len(values) < 3:
        return np.zeros(len(values))
    with np.errstate(invalid="ignore"):
        # white noise of variance σ² gives second differences of variance 6 σ²
        second = np.abs(values[:-2] - 2 * values[1:-1] + values[2:]) / math.sqrt(6)
    second = np.nan_to_num(second, posinf=0.0)
    spread = [np.median(second[max(0, i - AROUND) : i + AROUND + 1]) for i in range(len(second))]
    # 1.4826: the median of |x| of a normal x is σ/1.4826
    return 1.4826 * np.array([spread[0], *spread, spread[-1]])


def shifts(fork: list[Event], twin: list[Event], step: int) -> list[Shift]:
    """What became of each event, less those that lay before the fork in both, at one step.

    A rule that looks back, such as a share of the greatest rate, may put an event before the fork and yet elsewhere.
    """
    theirs = {event.name: event for event in twin}
    ours = {event.name: event for event in fork}
    found = []
    for name, event in {**theirs, **ours}.items():
        one = shift(name, event.title, ours.get(name), theirs.get(name))
        past = [at for at in (one.fork, one.twin) if at is not None]
        if len(past) < 2 or max(past) > step or one.fork != one.twin:
            found.append(one)
    return found


def shift(name: str, title: str, fork: Event | None, twin: Event | None) -> Shift:
    """One event's step in the fork less its step in the twin, or what censoring leaves of it."""
    a, b = (Crossing(math.nan, reason="not looked for") if e is None else e.found for e in (fork, twin))
    if a.step is not None and b.step is not None:
        return Shift(name, title, a.step, b.step, a.step - b.step, a.step - b.step)
    if a.step is not None and b.censored_at is not None:
        why = f"the twin had none up to step {b.censored_at}"
        return Shift(name, title, a.step, None, -math.inf, a.step - b.censored_at, why)
    if b.step is not None and a.censored_at is not None:
        why = f"the fork had none up to step {a.censored_at}"
        return Shift(name, title, None, b.step, a.censored_at - b.step, math.inf, why)
    why = "; ".join(f"{who}: {c.reason}" for who, c in (("fork", a), ("twin", b)) if c.step is None and c.reason)
    comparable = all(c.step is not None or c.censored_at is not None for c in (a, b))
    return Shift(name, title, a.step, b.step, -math.inf, math.inf, why or "seen in neither", comparable)


def _cost(
    before: dict[str, Any], fork: polars.DataFrame, twin: polars.DataFrame, step: int, name: str
) -> dict[str, float | None]:
    worst = "min" if "accuracy" in name else "max"
    found: dict[str, float | None] = {"before": before.get(name), "after": None}
    at = fork.filter(fork["step"] == step)
    if name in at.columns and at.height:
        found["after"] = at[name][0]
    for key, frame in (("worst", fork), ("twin_worst", twin)):
        window = frame.filter((frame["step"] > step) & (frame["step"] <= step + SHOCK))
        column = window[name].drop_nulls() if name in window.columns else None
        found[key] = getattr(column, worst)() if column is not None and len(column) else None
    return found


def _last(frame: polars.DataFrame, name: str) -> float | None:
    column = frame[name].drop_nulls() if name in frame.columns else None
    return None if column is None or not len(column) else float(column[-1])


def _notes(changes: dict[str, Any]) -> list[str]:
    if any(path.split(".")[0] in ("split", "task", "labels") or path == "seeds.split" for path in changes):
        return ["training and test set of the fork are not the twin's: their losses are of other examples"]
    return []

"""Events on a run's time line, each with the rule that found it, its interval and its sensitivity to the rule."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast, get_args

from latebloom.shown import finding_table

SUSTAINED = 6
"""Evaluations in a row that must fulfil a rule (as in muon-grokking's six), so that a spike is no event."""

Group = Literal["accuracy", "nanda2023", "task-independent", "curvature"]

GROUPS: dict[Group, str] = {
    "accuracy": "What accuracy shows",
    "nanda2023": "Phases of Nanda et al. 2023, by restricted and excluded loss and Σw²",
    "task-independent": "Without the task's structure: not the phases of Nanda et al.",
    "curvature": "Curvature along the gradient",
}

Keys = Literal["", "live", "all", "final"]
"""Which frequencies a measure takes for the circuit's: none, each step's own, all, or the last network's (which knows
the future)."""

Sign = Literal["≥", "<", "×", "of peak"]
"""How a threshold is meant: reached, fallen below, a turn by this factor, a share of the greatest rate."""


@dataclass(frozen=True)
class Crossing:
    """When a measure first reached a threshold and stayed.

    Attributes:
        threshold: the value to reach.
        step: the first step at which it was seen; None when it was not.
        interval: steps between which it lies: the last at which it was clearly not yet reached and the first at which
            it clearly was, as far as the log's gaps and its noise tell.
        censored_at: the last step looked at, when the event was not seen until then; it may still come. None with no
            step: it cannot come any more, for the reason given.
        reason: why there is no step.
    """

    threshold: float
    step: int | None = None
    interval: tuple[int, int] | None = None
    censored_at: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Width:
    """How long a change took, by a sigmoid fitted to the curve over log10(1 + step).

    Attributes:
        midpoint: the step at which half of the change had happened.
        start: the step at which 10 % had.
        end: the step at which 90 % had.
        decades: log10(end / start), which does not depend on the run's timing.
        linear: steps from 10 % to 90 % by the fit over plain steps.
        r2: share of the curve's variance that the fit explains.
    """

    midpoint: float
    start: float
    end: float
    decades: float
    linear: float
    r2: float


@dataclass(frozen=True)
class Opinion:
    """What another method says of the same event.

    Attributes:
        method: the method.
        step: where it puts the event; None where it could not be asked.
        reason: why not.
    """

    method: str
    step: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Event:
    """A named event with its rule, and the same rule at other thresholds.

    Attributes:
        name: "memorised", "grokked", "cleanup-started" and so on.
        title: for headings.
        measure: the name of the measure that the rule reads.
        rule: the rule in words.
        found: the crossing of the rule's own threshold.
        sensitivity: the crossings of other thresholds.
        group: which set of events it belongs to.
        sign: how the threshold is meant.
        keys: which frequencies the measure takes for the circuit's.
        notes: what else is to be known of this event in this run.
        width: how long it took; None where it was not asked for or has none.
        second: another method's opinion; None where it was not asked for.
    """

    name: str
    title: str
    measure: str
    rule: str
    found: Crossing
    sensitivity: tuple[Crossing, ...] = field(default=())
    group: Group = "accuracy"
    sign: Sign = "≥"
    keys: Keys = ""
    notes: tuple[str, ...] = ()
    width: Width | None = None
    second: Opinion | None = None

    _repr_html_ = finding_table

    @property
    def step(self) -> int | None:
        """The step at which it was found."""
        return self.found.step

    def to_json(self) -> dict[str, Any]:
        """The event as plain data."""
        return asdict(self)


def event_from_json(data: Any) -> Event:
    """The event that `Event.to_json` wrote, now or in an older version; what a newer one added is left aside."""
    table = data if isinstance(data, dict) else {}
    found, *others = (_crossing(c) for c in (table.get("found") or {}, *(table.get("sensitivity") or ())))
    name, title, measure, rule = (str(table.get(key, "")) for key in ("name", "title", "measure", "rule"))
    group, sign, keys = (str(table.get(name, "")) for name in ("group", "sign", "keys"))
    return Event(
        name,
        title,
        measure,
        rule,
        found,
        tuple(others),
        cast(Group, group) if group in GROUPS else "accuracy",
        cast(Sign, sign) if sign in get_args(Sign) else "≥",
        cast(Keys, keys) if keys in get_args(Keys) else "",
        tuple(map(str, table.get("notes") or ())),
        _part(Width, table.get("width")),
        _part(Opinion, table.get("second")),
    )


def _crossing(data: Any) -> Crossing:
    table = data if isinstance(data, dict) else {}
    interval = table.get("interval")
    return Crossing(
        float(table.get("threshold", "nan")),
        table.get("step"),
        (int(interval[0]), int(interval[1])) if interval else None,
        table.get("censored_at"),
        str(table.get("reason", "")),
    )


def _part(kind: type, data: Any) -> Any:
    if not isinstance(data, dict):
        return None
    try:
        return kind(**{k: v for k, v in data.items() if k in kind.__dataclass_fields__})
    except TypeError:
        # one of another version that lacks a field
        return None

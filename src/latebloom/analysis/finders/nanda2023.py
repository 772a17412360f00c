"""Circuit formation and cleanup of Nanda et al. 2023 (arXiv 2301.05217, §5.2), as rules.

The paper tells its phases in words and on one figure, without rules. In memorisation excluded and training loss fall
and restricted loss stays high; in circuit formation excluded loss rises, Σw² falls and restricted loss begins to fall;
in cleanup restricted loss goes on falling, test loss drops suddenly and Σw² drops sharply, while Gini indices rise
sharply. So here circuit formation begins where excluded loss turns from falling to rising, given that restricted loss
falls since; it ends where the restricted logits alone solve the task. Cleanup is the sharp drop of Σw² that comes with
a formed circuit.

The paper takes the frequencies of the final network. While a run goes on these are not known: then excluded loss is
that of all frequencies, and restricted loss that of each step's own key frequencies.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from latebloom.analysis.events import SUSTAINED, Crossing, Event, Keys, Sign
from latebloom.analysis.finders.contract import Marks
from latebloom.analysis.surge import BEGINS, ENDS, OTHER_BEGINS, OTHER_ENDS, Surge, rules
from latebloom.analysis.turn import Turn
from latebloom.analysis.watch import Watch

RISE, OTHER_RISES = 1.5, (1.25, 2.0, 3.0)
DOWN = 0.9
"""Excluded loss is looked at once training loss is below this share of its first value: at first both may rise."""
FALL = 0.75
"""What restricted loss has to come down to, as a share of its value at the turn."""
SOLVED, OTHERS_SOLVED = 0.01, (1.0, 0.1, 0.001)
RESTRICTED, SQUARES = "restricted_loss_all", "weight_norm_sq"
GINIS = ("gini_fourier_W_E", "gini_fourier_W_L")


class Nanda:
    """The finder."""

    def __init__(self, keys: Keys = "live") -> None:
        self._excluded = "excluded_loss" if keys == "final" else "excluded_loss_all_frequencies"
        self._keys: Keys = keys
        self.names: tuple[str, ...] = (self._excluded, RESTRICTED, SQUARES, "train_loss", "test_loss", *GINIS)
        self._turns = [Turn(factor) for factor in (RISE, *OTHER_RISES)]
        self._solved = [Watch(level, sign="<") for level in (SOLVED, *OTHERS_SOLVED)]
        self._fall = Surge(down=True, log=True)
        self._logged: dict[str, tuple[list[int], list[float]]] = {
            name: ([], []) for name in (RESTRICTED, "test_loss", *GINIS)
        }
        self._initial, self._down, self._falls = math.nan, False, 0
        self._fallen: int | None = None
        self._at_once = self._generalised = False

    def add(self, step: int, row: Mapping[str, float], marks: Marks) -> None:
        """One log row."""
        for name, (steps, values) in self._logged.items():
            if (value := row.get(name)) is not None and value == value:
                steps.append(step)
                values.append(value)
        if (value := row.get("train_loss")) is not None:
            self._initial = value if math.isnan(self._initial) else self._initial
            self._down = self._down or value < DOWN * self._initial
        if (value := row.get(self._excluded)) is not None and (self._down or "train_loss" not in row):
            for turn in self._turns:
                turn.add(step, value)
        if (value := row.get(RESTRICTED)) is not None and value == value:
            self._follow(step, value)
        if (value := row.get(SQUARES)) is not None:
            self._fall.add(step, value)
        self._at_once, self._generalised = marks.at_once, marks.generalised is not None
        solved, begun = self._solved[0].step, self._begun(self._turns[0]).step
        if solved is not None and begun is not None and not marks.at_once:
            self._fall.open(solved, begun)

    def _follow(self, step: int, restricted: float) -> None:
        for watch in self._solved:
            watch.add(step, restricted)
        turned = self._turns[0].step
        if self._fallen is None and turned is not None:
            low = restricted <= FALL * self._at(RESTRICTED, turned)
            self._falls = self._falls + 1 if low else 0
            self._fallen = step if self._falls == SUSTAINED else None

    def _at(self, name: str, step: int) -> float:
        """A measure's value at the last row up to a step; NaN where it was not logged until then."""
        steps, values = self._logged[name]
        place = bisect_right(steps, step)
        return values[place - 1] if place else float("nan")

    @property
    def events(self) -> list[Event]:
        """Start and end of circuit formation and of cleanup, where the circuit's measures were logged."""
        if not self._logged[RESTRICTED][0]:
            return []
        begun, *earlier = (self._begun(turn) for turn in self._turns)
        solved, *levels = (self._formed(watch) for watch in self._solved)
        began = (
            f"least {self._excluded} (running mean) while training loss has fallen, before a rise by × {RISE:g}, "
            f"while {RESTRICTED} falls to {FALL:g} "
            f"of what it was, {SUSTAINED} evaluations in a row each"
        )
        ended = f"{RESTRICTED} < {SOLVED:g}, in {SUSTAINED} evaluations in a row, after formation began"
        found = [
            _event("circuit-formation-started", "Circuit formation starts", self._excluded, began, begun, earlier, "×"),
            _event("circuit-formation-ended", "Circuit formed", RESTRICTED, ended, solved, levels, "<"),
        ]
        keys = ("all" if self._keys == "live" else self._keys, self._keys)
        notes = () if self._generalised else (NOT_GENERALISED,)
        found = [
            replace(event, keys=key, notes=notes if event.found.step is not None else ())
            for event, key in zip(found, keys, strict=True)
        ]
        return [*found, *self._cleanup()] if self._fall.logged else found

    def _cleanup(self) -> list[Event]:
        start, *starts = (self._clean(self._fall.started(s), s) for s in (BEGINS, *OTHER_BEGINS))
        end, *ends = (self._clean(self._fall.ended(s), s) for s in (ENDS, *OTHER_ENDS))
        began, ended = rules(SQUARES, "falls", "after the circuit has formed")
        notes = self._evidence(start, end)
        return [
            _event("cleanup-started", "Cleanup starts", SQUARES, began, start, starts, "of peak", self._keys, notes),
            _event("cleanup-ended", "Cleanup ends", SQUARES, ended, end, ends, "of peak", self._keys, notes),
        ]

    def _begun(self, turn: Turn) -> Crossing:
        if self._at_once:
            return Crossing(turn.factor, reason=AT_ONCE)
        found = turn.found
        if found.step is None or self._fallen is not None:
            return found
        last = self._logged[RESTRICTED][0][-1:]
        why = f"excluded loss turned at step {found.step}, but {RESTRICTED} is not down to {FALL:g} of what it was then"
        return Crossing(turn.factor, censored_at=last[0] if last else 0, reason=why)

    def _formed(self, watch: Watch) -> Crossing:
        if self._at_once:
            return Crossing(watch.threshold, reason=AT_ONCE)
        begun, found = self._begun(self._turns[0]), watch.found
        if begun.step is not None or found.step is None:
            return found
        why = f"{RESTRICTED} crossed at step {found.step}, but no start of circuit formation was found"
        return Crossing(watch.threshold, censored_at=begun.censored_at, reason=why)

    def _clean(self, found: Crossing, share: float) -> Crossing:
        if self._at_once:
            return Crossing(share, reason=AT_ONCE)
        formed = self._formed(self._solved[0])
        if formed.step is not None or found.step is not None:
            return found
        return Crossing(share, censored_at=found.censored_at, reason=f"no circuit had formed: {formed.reason}")

    def _evidence(self, start: Crossing, end: Crossing) -> tuple[str, ...]:
        """What else the paper says of cleanup, as it is between start and end (or the last row)."""
        if start.step is None:
            return ()
        until = end.step if end.step is not None else end.censored_at or start.step
        told = []
        for name in ("test_loss", RESTRICTED, *GINIS):
            a, b = self._at(name, start.step), self._at(name, until)
            if a == a and b == b:
                told.append(f"{name} from {a:.3g} to {b:.3g}")
        return (f"meanwhile {', '.join(told)}",) if told else ()


NOT_GENERALISED = (
    "not generalised so far: logits that grow raise excluded loss by themselves, and restricted logits average over "
    "all pairs, those learnt by heart among them, so that this alone is no circuit"
)
AT_ONCE = "the network generalised at once, so memorisation and circuit formation are not told apart"


def _event(
    name: str,
    title: str,
    measure: str,
    rule: str,
    found: Crossing,
    others: Sequence[Crossing],
    sign: Sign,
    keys: Keys = "",
    notes: tuple[str, ...] = (),
) -> Event:
    return Event(name, title, measure, rule, found, tuple(others), "nanda2023", sign, keys, notes)

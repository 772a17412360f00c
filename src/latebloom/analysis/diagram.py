"""Phase diagrams: what runs end as, and when they grok, over any two axes of a study."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from latebloom.analysis.end_states import STATES, State
from latebloom.analysis.outcomes import axes_of, axis_named
from latebloom.analysis.statistics import Median, Times, delay_times, median, times_of
from latebloom.errors import LatebloomError
from latebloom.shown import finding_table

if TYPE_CHECKING:
    import polars

CELL_DRAWS = 200
"""Bootstrap samples for the median of a cell: its few seeds have few different samples."""


@dataclass(frozen=True)
class Cell:
    """The runs of one pair of values.

    Attributes:
        x: value on the horizontal axis.
        y: value on the vertical axis.
        seeds: how many different seeds.
        runs: how many runs; more than seeds where other axes vary too.
        states: how many ended as what, the most frequent first.
        state: the end state of more than half of the runs; None when no state has so many.
        grokked: the median step of grokking, with `grokked.runs − grokked.seen` censored runs.
        memorised: likewise.
        delay: the median of the steps between both, over the runs that memorised.
    """

    x: Any
    y: Any
    seeds: int
    runs: int
    states: dict[State, int]
    state: State | None
    grokked: Median
    memorised: Median
    delay: Median


@dataclass(frozen=True)
class Diagram:
    """A phase diagram.

    Attributes:
        x: name of the horizontal axis.
        y: name of the vertical axis.
        xs: its values, ascending.
        ys: likewise.
        cells: those that have runs, row by row.
        pooled: other axes that vary within the cells.
        budget: steps within which the end states look for both accuracies.
    """

    x: str
    y: str
    xs: tuple[Any, ...]
    ys: tuple[Any, ...]
    cells: tuple[Cell, ...]
    pooled: tuple[str, ...]
    budget: int

    _repr_html_ = finding_table

    @property
    def states(self) -> tuple[State, ...]:
        """The end states that occur, in the order of `STATES`."""
        found = {state for cell in self.cells for state in cell.states}
        return tuple(state for state in STATES if state in found)

    def cell(self, x: Any, y: Any) -> Cell | None:
        """The cell of two values; None when it has no runs."""
        return next((cell for cell in self.cells if (cell.x, cell.y) == (x, y)), None)

    def to_json(self) -> dict[str, Any]:
        """The diagram as plain data."""
        return asdict(self)


def phase_diagram(frame: polars.DataFrame, x: str, y: str) -> Diagram:
    """The phase diagram over two axes; runs that differ in further axes are pooled, and `pooled` says so.

    Args:
        frame: of `outcomes`.
        x: the horizontal axis, or the last word of its name.
        y: the vertical axis, likewise.

    Raises:
        LatebloomError: there is no such axis, or both are one.
    """
    x, y = axis_named(frame, x), axis_named(frame, y)
    if x == y:
        raise LatebloomError(f"expected two different axes, got {x} twice")
    pooled = tuple(name for name in axes_of(frame) if name not in (x, y) and frame[name].n_unique() > 1)
    cells = [_cell(part, *key) for key, part in frame.group_by(x, y, maintain_order=True)]
    cells.sort(key=lambda cell: (cell.y, cell.x))
    budget = int(frame["end_budget"][0])
    return Diagram(x, y, _values(frame, x), _values(frame, y), tuple(cells), pooled, budget)


def _values(frame: polars.DataFrame, name: str) -> tuple[Any, ...]:
    return tuple(frame[name].unique().sort().to_list())


def _cell(part: polars.DataFrame, x: Any, y: Any) -> Cell:
    counted = Counter(part["end_state"].to_list())
    order = list(STATES)
    states = dict(sorted(counted.items(), key=lambda item: (-item[1], order.index(item[0]))))
    first, number = next(iter(states.items()))
    most = first if 2 * number > part.height else None
    times: list[Times] = [times_of(part, "grokked"), times_of(part, "memorised"), delay_times(part)]
    grokked, memorised, delay = (median(t, draws=CELL_DRAWS) for t in times)
    return Cell(x, y, part["seed"].n_unique(), part.height, states, most, grokked, memorised, delay)

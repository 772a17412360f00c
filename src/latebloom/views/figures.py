"""Which figures a report has, as plain data: what is drawn, from which columns, on which axes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from latebloom.measures import RECORDS

Role = Literal["train", "test", "extra", "train-least", "test-least", "plain", "one", "two", "three", "four", "five"]


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: its column.
        label: in the legend.
        role: decides colour and dash; train and test look the same in every figure.
    """

    name: str
    label: str
    role: Role


@dataclass(frozen=True)
class Figure:
    """One figure over the steps.

    Attributes:
        id: unique on the page.
        title: its heading.
        kind: curves, a stack of parts that add up, or a heat map with bars at one step.
        unit: along the vertical axis, in words.
        scale: of the vertical axis; "share" runs from 0 to 1.
        lines: the curves; of a stack, its total.
        array: the name of the array that a stack or heat map shows.
        tall: whether it is a main figure.
        wide: whether it takes the whole width of its section.
        parts: the name of the array that says of which parts the curves are taken; where they change is marked.
    """

    id: str
    title: str
    kind: Literal["lines", "stack", "heat"]
    unit: str
    scale: Literal["linear", "log", "share"] = "linear"
    lines: tuple[Line, ...] = ()
    array: str = ""
    tall: bool = False
    wide: bool = False
    parts: str = ""

    @property
    def measures(self) -> list[str]:
        """The names of all measures that it shows, a twin's too."""
        names = [line.name.removesuffix(TWIN).removesuffix(LESS) for line in self.lines]
        return list(dict.fromkeys([*names, *([self.array] if self.array else [])]))

    def to_json(self) -> dict[str, Any]:
        """The figure as plain data."""
        return asdict(self)


BY_TENSOR = "weight_norm_sq_by_tensor"
AXES = ("run", "step")
TWIN, LESS = " of the twin", " beside the twin's"
"""After a measure's name: the same number of a fork's twin, and how far the fork's is from it."""


def title_of(name: str) -> str:
    """The title in the measure's record, or the bare name."""
    return RECORDS[name].title if name in RECORDS else name

"""What a number is: written once, shown in help, docs, report and tooltips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import xarray
from jaxtyping import Float
from torch import Tensor

from latebloom.errors import LatebloomError
from latebloom.measures.probe import Probe, Subject

Values = dict[str, "float | xarray.DataArray"]
"""Named numbers and labelled arrays."""


@dataclass(frozen=True)
class Record:
    """The definition of one number or array.

    Attributes:
        name: the column's or array's name.
        title: a few words for axes and headings.
        formula: how it is computed, in symbols.
        units: "nats", "share", "1" for a pure number, "steps".
        variant: what was chosen where definitions differ (split, directions, precision).
        source: where the definition comes from.
        disputes: where the literature disagrees, and what is done here; "" where it does not.
        better: whether more or less of it is what training wants; "" where neither.
        axes: the array's named axes; () for a number.
    """

    name: str
    title: str
    formula: str
    units: str
    variant: str
    source: str
    disputes: str = ""
    better: Literal["higher", "lower", ""] = ""
    axes: tuple[str, ...] = ()


Level = Literal["light", "default", "all"]
"""The smallest set of measures that a measure belongs to; each set holds the ones before it."""


@dataclass(frozen=True)
class Measure:
    """A pure function of a probe to named numbers and arrays, with the record of each.

    Attributes:
        name: the measure's own name, for choosing it.
        says: what it tells of a network, in one sentence; no two measures say the same.
        records: one for everything that `compute` may return.
        compute: called under `torch.no_grad`; turn gradients on inside where they are needed.
        lacking: why the measure says nothing about this subject, whatever its weights; "" where it applies.
        level: the smallest set that it belongs to.
        cost: what it costs on the mainline of Nanda et al. beyond the forward pass that all share, in training steps
            (`python benchmarks/measures.py`).
        needs_update: whether it says something about an update, and so nothing at step 0.
        several: whether it also speaks of tasks that ask for several answers an example.
    """

    name: str
    says: str
    records: tuple[Record, ...]
    compute: Callable[[Probe], Values]
    lacking: Callable[[Subject], str] = lambda subject: ""
    level: Level = "default"
    cost: float = 0.1
    needs_update: bool = False
    several: bool = False

    def missing(self, subject: Subject) -> str:
        """Why the measure says nothing about this subject; "" where it applies."""
        if subject.answers > 1 and not self.several:
            return "the task asks for several answers an example"
        return self.lacking(subject)

    @property
    def stride(self) -> int:
        """It is taken at every so many log rows: 1, 2, 5, 10, 20, … adding at most a fifth of a step to a row.

        In a run too short for some 20 takings it is taken more often (`RunSpec.strides`).
        """
        power = 1
        while True:
            for number in (power, 2 * power, 5 * power):
                if number >= 5 * self.cost:
                    return number
            power *= 10


def checked(measure: Measure, values: Any) -> Values:
    """The values, if each is what a record of the measure says.

    Raises:
        LatebloomError: one is not, with what was expected and what was got.
    """
    told = f"measure {measure.name}"
    if not isinstance(values, dict):
        raise LatebloomError(f"{told}: expected a dict of named numbers and arrays, got {type(values).__name__}")
    records = {record.name: record for record in measure.records}
    for name, value in values.items():
        if name not in records:
            raise LatebloomError(f"{told}: expected names among its records ({', '.join(records)}), got {name!r}")
        axes = records[name].axes
        if not axes and not isinstance(value, float):
            raise LatebloomError(
                f"{told}: expected {name} as a float, since its record has no axes, got {type(value).__name__}"
            )
        if axes and (not isinstance(value, xarray.DataArray) or tuple(value.dims) != axes):
            got = tuple(value.dims) if isinstance(value, xarray.DataArray) else type(value).__name__
            raise LatebloomError(f"{told}: expected {name} as a DataArray over {axes}, got {got}")
    return values


def labelled(values: Float[Tensor, " *axes"], axes: dict[str, list]) -> xarray.DataArray:
    """A tensor as a float64 array with named axes and their labels."""
    return xarray.DataArray(values.double().cpu().numpy(), dims=list(axes), coords=axes)

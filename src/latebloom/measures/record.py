"""What a number is: written once, shown in help, docs, report and tooltips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import xarray
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.probe import Probe

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


@dataclass(frozen=True)
class Measure:
    """A pure function of a probe to named numbers and arrays, with the record of each.

    Attributes:
        name: the measure's own name, for choosing it.
        records: one for everything that `compute` returns.
        compute: called under `torch.no_grad`.
        missing: why the measure says nothing about this subject; "" where it applies.
    """

    name: str
    records: tuple[Record, ...]
    compute: Callable[[Probe], Values]
    missing: Callable[[Probe], str] = lambda probe: ""


def labelled(values: Float[Tensor, " *axes"], axes: dict[str, list]) -> xarray.DataArray:
    """A tensor as a float64 array with named axes and their labels."""
    return xarray.DataArray(values.double().cpu().numpy(), dims=list(axes), coords=axes)

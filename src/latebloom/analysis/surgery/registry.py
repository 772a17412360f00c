"""Every surgery by its name, and from a table to the surgery that it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latebloom.analysis.surgery.contract import Surgery
from latebloom.analysis.surgery.frequencies import KeepFrequencies, RemoveFrequencies
from latebloom.analysis.surgery.memorising import RemoveMemorising
from latebloom.analysis.surgery.project import Project
from latebloom.analysis.surgery.prune import Prune
from latebloom.analysis.surgery.rewind import Redraw, Rewind
from latebloom.analysis.surgery.scale import ScaleNorm
from latebloom.analysis.surgery.ticket import Ticket
from latebloom.analysis.surgery.transplant import Transplant
from latebloom.spec import Fault, SpecError, construct

SURGERIES: dict[str, type[Surgery]] = {
    "keep-frequencies": KeepFrequencies,
    "project": Project,
    "prune": Prune,
    "redraw": Redraw,
    "remove-frequencies": RemoveFrequencies,
    "remove-memorising": RemoveMemorising,
    "rewind": Rewind,
    "scale-norm": ScaleNorm,
    "ticket": Ticket,
    "transplant": Transplant,
}


def surgery_of(table: Mapping[str, Any]) -> Surgery:
    """The surgery that a table `{name = …, setting = …}` describes; the name may be `file.py:Class` or `module:Class`.

    Raises:
        SpecError: with every fault, at paths such as `surgery.share`.
    """
    made, faults = construct("surgery", dict(table), {}, SURGERIES)
    if not faults and not isinstance(made, Surgery):
        faults = [Fault("surgery.name", f"expected a class with apply(params, patient), got {table['name']}")]
    if faults:
        raise SpecError(faults)
    return made

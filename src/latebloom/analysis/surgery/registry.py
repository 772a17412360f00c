"""Every surgery by its name, and from a table to the surgery that it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from latebloom.analysis.surgery.contract import Surgery
from latebloom.analysis.surgery.frequencies import KeepFrequencies, RemoveFrequencies
from latebloom.analysis.surgery.memorising import RemoveMemorising
from latebloom.analysis.surgery.project import Project
from latebloom.analysis.surgery.prune import Prune
from latebloom.analysis.surgery.rewind import Redraw, Rewind
from latebloom.analysis.surgery.scale import ScaleNorm
from latebloom.analysis.surgery.ticket import Ticket
from latebloom.analysis.surgery.transplant import Transplant
from latebloom.spec import Fault, SpecError, from_pydantic, suggestion

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
    """The surgery that a table `{name = …, setting = …}` describes.

    Raises:
        SpecError: with every fault, at paths such as `surgery.share`.
    """
    name = table.get("name")
    if not isinstance(name, str) or name not in SURGERIES:
        raise SpecError([Fault("surgery.name", f"no such surgery: {name}{suggestion(str(name), SURGERIES)}")])
    known = [field.name for field in fields(cast("Any", SURGERIES[name]))]
    given = {key: value for key, value in table.items() if key != "name"}
    faults = [Fault(f"surgery.{key}", f"no such field{suggestion(key, known)}") for key in given if key not in known]
    try:
        made = TypeAdapter(SURGERIES[name]).validate_python({key: given[key] for key in given if key in known})
    except ValidationError as error:
        raise SpecError(faults + from_pydantic(error.errors(), ("surgery",), known)) from None
    if faults:
        raise SpecError(faults)
    return made

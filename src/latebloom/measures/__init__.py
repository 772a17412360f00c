"""Pure functions of a probe to named numbers, each with its record."""

import torch

from latebloom.measures.fit import FIT
from latebloom.measures.fourier import FOURIER
from latebloom.measures.norms import NORMS
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values
from latebloom.measures.sparsity import SPARSITY

MEASURES: tuple[Measure, ...] = (FIT, NORMS, SPARSITY, FOURIER)
RECORDS: dict[str, Record] = {record.name: record for measure in MEASURES for record in measure.records}


def take(probe: Probe) -> Values:
    """Every measure that applies, by the names of their records."""
    values: Values = {}
    with torch.no_grad():
        for measure in MEASURES:
            if not measure.missing(probe):
                values |= measure.compute(probe)
    return values


def missing(probe: Probe) -> dict[str, str]:
    """The measures that do not apply, with the reason of each."""
    return {measure.name: why for measure in MEASURES if (why := measure.missing(probe))}


__all__ = ["MEASURES", "RECORDS", "Measure", "Probe", "Record", "Subject", "Values", "missing", "take"]

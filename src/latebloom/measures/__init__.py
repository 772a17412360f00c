"""Pure functions of a probe to named numbers, each with its record."""

from latebloom.measures.choice import check_strides, chosen, due, missing, own_words, take
from latebloom.measures.probe import Probe, Subject, Update
from latebloom.measures.record import Measure, Record, Values
from latebloom.measures.registry import MEASURES, RECORDS

__all__ = [
    "MEASURES",
    "RECORDS",
    "Measure",
    "Probe",
    "Record",
    "Subject",
    "Update",
    "Values",
    "check_strides",
    "chosen",
    "due",
    "missing",
    "own_words",
    "take",
]

"""Surgeries: pure functions of a network's parameters, for runs that go on with something cut out or put in."""

from latebloom.analysis.surgery.contract import Patient, Surgery
from latebloom.analysis.surgery.registry import SURGERIES, surgery_of

__all__ = ["SURGERIES", "Patient", "Surgery", "surgery_of"]

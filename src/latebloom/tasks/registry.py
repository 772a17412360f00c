"""The families of tasks by the names that a spec uses; nulls, which are made from one of these, and sequences apart."""

from __future__ import annotations

from latebloom.tasks.conditional import Conditional
from latebloom.tasks.mixture import Mixture
from latebloom.tasks.modular import Modular
from latebloom.tasks.multiplication import GroupMultiplication
from latebloom.tasks.parity import SparseParity
from latebloom.tasks.polynomial import Polynomial

FAMILIES: dict[str, type] = {
    "modular": Modular,
    "polynomial": Polynomial,
    "conditional": Conditional,
    "mixture": Mixture,
    "group": GroupMultiplication,
    "parity": SparseParity,
}

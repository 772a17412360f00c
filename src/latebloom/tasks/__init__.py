"""What is learnt: all examples of one finite problem, and its algebra."""

from latebloom.tasks.algebra import Algebra, OverGroup, Task
from latebloom.tasks.blocks import Blocks, cosets, rows
from latebloom.tasks.conditional import Conditional
from latebloom.tasks.examples import Distinct, Examples
from latebloom.tasks.groups import Group
from latebloom.tasks.mixture import Mixture
from latebloom.tasks.modular import Modular
from latebloom.tasks.multiplication import GroupMultiplication
from latebloom.tasks.null import Null
from latebloom.tasks.parity import SparseParity
from latebloom.tasks.polynomial import Polynomial
from latebloom.tasks.registry import FAMILIES

TASKS: dict[str, type] = FAMILIES | {"null": Null}

__all__ = [
    "TASKS",
    "Algebra",
    "Blocks",
    "Conditional",
    "Distinct",
    "Examples",
    "Group",
    "GroupMultiplication",
    "Mixture",
    "Modular",
    "Null",
    "OverGroup",
    "Polynomial",
    "SparseParity",
    "Task",
    "cosets",
    "rows",
]

"""What is learnt: all examples of one finite problem, and its algebra."""

from latebloom.tasks.algebra import Algebra, OverGroup, Task
from latebloom.tasks.blocks import Blocks, cosets, rows
from latebloom.tasks.conditional import Conditional
from latebloom.tasks.digits import DigitAddition
from latebloom.tasks.drawing import Drawn, answers_of
from latebloom.tasks.examples import Distinct, Examples
from latebloom.tasks.groups import Group
from latebloom.tasks.induction import RepeatedSubsequence
from latebloom.tasks.mixture import Mixture
from latebloom.tasks.modular import Modular
from latebloom.tasks.multiplication import GroupMultiplication
from latebloom.tasks.null import Null
from latebloom.tasks.parity import SparseParity
from latebloom.tasks.polynomial import Polynomial
from latebloom.tasks.registry import FAMILIES
from latebloom.tasks.skip_trigrams import SkipTrigrams

TASKS: dict[str, type] = FAMILIES | {
    "null": Null,
    "digits": DigitAddition,
    "induction": RepeatedSubsequence,
    "skip-trigrams": SkipTrigrams,
}

__all__ = [
    "TASKS",
    "Algebra",
    "Blocks",
    "Conditional",
    "DigitAddition",
    "Distinct",
    "Drawn",
    "Examples",
    "Group",
    "GroupMultiplication",
    "Mixture",
    "Modular",
    "Null",
    "OverGroup",
    "Polynomial",
    "RepeatedSubsequence",
    "SkipTrigrams",
    "SparseParity",
    "Task",
    "answers_of",
    "cosets",
    "rows",
]

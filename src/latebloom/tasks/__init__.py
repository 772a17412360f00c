"""What is learnt: all examples of one finite problem, and its algebra."""

from latebloom.tasks.algebra import Algebra, Task
from latebloom.tasks.examples import Distinct, Examples
from latebloom.tasks.modular import Modular

TASKS: dict[str, type] = {"modular": Modular}

__all__ = ["TASKS", "Algebra", "Distinct", "Examples", "Modular", "Task"]

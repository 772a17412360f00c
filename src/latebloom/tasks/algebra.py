"""What is known of a task before anything is trained: its group, its symmetry, the basis in which to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from latebloom.tasks.examples import Examples


@dataclass(frozen=True, eq=False)
class Algebra:
    """The structure of a two-operand task.

    Attributes:
        group: the group's name, with what stands outside it ("C_113", "C_96 and a zero").
        commutative: whether a∘b = b∘a for every pair.
        identity: e with a∘e = a for every a (and e∘a = a too where the task is commutative); None where there is none.
        cycle: the operands in the order of the cyclic group's exponents, shape (order): 0, 1, 2, … for + and −;
            1, g, g², … for × and ÷ (zero has no exponent and is left out). Fourier analysis runs along it.
        sign: +1 where the answer's exponent is that of a plus that of b, −1 where it is their difference.
    """

    group: str
    commutative: bool
    identity: int | None
    cycle: Int[Tensor, " order"]
    sign: int

    @property
    def order(self) -> int:
        """The number of elements of the cyclic group."""
        return len(self.cycle)

    @property
    def frequencies(self) -> int:
        """The number of non-constant frequencies, order // 2 (for an even order the last is its own mirror image)."""
        return self.order // 2


@runtime_checkable
class Task(Protocol):
    """One finite problem: every example of it, and its algebra.

    A task is a frozen dataclass whose fields are its settings, so that a spec can name it and set them. Its own file
    can live anywhere: `latebloom run` takes `task.name = "file.py:Class"`.
    """

    @property
    def d_vocab(self) -> int:
        """The number of tokens that can be read."""
        ...

    @property
    def classes(self) -> int:
        """The number of answers; labels run from 0 to classes − 1, and are tokens of the same number."""
        ...

    @property
    def title(self) -> str:
        """The task in a few words, for headings and lists ("a + b mod 113")."""
        ...

    def examples(self) -> Examples:
        """All examples, in a fixed order (lexicographic in the operands)."""
        ...

    def operands(self) -> Int[Tensor, "batch 2"]:
        """The pair (a, b) of each example, in the order of `examples`."""
        ...

    def algebra(self) -> Algebra | None:
        """The task's structure; None where nothing is known, and measures that need it say so."""
        ...

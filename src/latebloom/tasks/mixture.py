"""Several operations in one vocabulary: which one is asked for is read from the sign between the operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from latebloom.tasks.equation import signs, written
from latebloom.tasks.examples import Examples
from latebloom.tasks.modular import SYMBOLS, Operation, answer, need_prime


@dataclass(frozen=True)
class Mixture:
    """a ∘ b mod p for several ∘ at once, each with a sign of its own: "a ∘ b =".

    Formula: a ∘ b mod p, ∘ read from the sign between the operands
    Domain: all pairs for each operation; ÷ without b = 0
    Size: 2p² to 3p² + p(p − 1)
    Source: the vocabulary of Power et al. 2022 (arXiv 2201.02177), who train on one operation at a time

    Every pair for every operation, one operation after the other; b = 0 is left out for division: 3p² + p(p − 1)
    examples for all four. Source: the vocabulary of Power et al. 2022 (arXiv 2201.02177) has a sign for each operation,
    though they train on one at a time.

    Raises:
        ValueError: an operation is named twice, or p is not prime where one needs a field (mul, div).
    """

    operations: Annotated[
        tuple[Operation, ...], Field(min_length=2, max_length=4, description="the operations, each once")
    ] = ("add", "sub")
    p: Annotated[int, Field(ge=2, le=2003, description="the modulus; prime if there is mul or div")] = 97
    equation: Annotated[
        Literal["a o b =", "eos a o b ="], Field(description="the tokens that are read; o is the operation's sign")
    ] = "a o b ="

    def __post_init__(self) -> None:
        if len(set(self.operations)) < len(self.operations):
            raise ValueError(f"expected every operation once, got {', '.join(self.operations)}")
        for operation in self.operations:
            if operation in ("mul", "div"):
                need_prime(self.p, operation)

    @property
    def _first_operator(self) -> int:
        # "o" comes last among the signs, so that the operations' signs take its place and go on from there
        return signs(self.equation, self.p)["o"]

    @property
    def d_vocab(self) -> int:
        """p numbers, the signs of the equation, and one for each operation."""
        return self._first_operator + len(self.operations)

    @property
    def classes(self) -> int:
        """The p residues."""
        return self.p

    @property
    def title(self) -> str:
        """The task as a formula."""
        return f"a ∘ b mod {self.p}, ∘ one of {' '.join(SYMBOLS[operation] for operation in self.operations)}"

    def operands(self) -> Int[Tensor, "batch 3"]:
        """(a, b, the operation's token), ordered by operation, then lexicographically."""
        numbers = torch.arange(self.p)
        tables = []
        for i, operation in enumerate(self.operations):
            sign = torch.tensor([self._first_operator + i])
            tables.append(torch.cartesian_prod(numbers, numbers[1:] if operation == "div" else numbers, sign))
        return torch.cat(tables)

    def examples(self) -> Examples:
        """Every equation and its answer."""
        asked = self.operands()
        a, b, sign = asked.unbind(1)
        labels = torch.empty_like(a)
        for i, operation in enumerate(self.operations):
            here = sign == self._first_operator + i
            labels[here] = answer(operation, a[here], b[here], self.p)
        return Examples(written(self.equation, asked[:, :2], self.p, operator=sign), labels)

    def algebra(self) -> None:
        """No group: each operation has its own."""
        return None

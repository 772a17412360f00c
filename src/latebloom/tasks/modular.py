"""Modular arithmetic: a ∘ b mod p for ∘ in +, −, ×, ÷ (Power et al. 2022, arXiv 2201.02177)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from latebloom.tasks.algebra import Algebra
from latebloom.tasks.examples import Examples, is_prime

SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷"}


@dataclass(frozen=True)
class Modular:
    """a ∘ b mod p over every pair (a, b); division leaves out b = 0, since nothing is divided by it.

    Numbers are the tokens 0 … p − 1; the signs that `equation` writes come after them (p, p + 1, …).

    Raises:
        ValueError: p is not prime where the operation needs a field (mul, div).
    """

    operation: Annotated[Literal["add", "sub", "mul", "div"], Field(description="the operation ∘ of a ∘ b mod p")] = (
        "add"
    )
    p: Annotated[int, Field(ge=2, le=4001, description="the modulus; prime for mul and div")] = 113
    equation: Annotated[
        Literal["a b =", "a b", "a o b =", "eos a o b ="],
        Field(description="the tokens that are read; the answer is read off the last one"),
    ] = "a b ="

    def __post_init__(self) -> None:
        if self.operation in ("mul", "div") and not is_prime(self.p):
            below = next(q for q in range(self.p, 1, -1) if is_prime(q))
            raise ValueError(f"expected a prime p for {self.operation}, got {self.p}; the next prime below is {below}")

    @property
    def _signs(self) -> dict[str, int]:
        names = [word for word in self.equation.split() if word not in ("a", "b")]
        return {name: self.p + i for i, name in enumerate(sorted(names))}

    @property
    def d_vocab(self) -> int:
        """p numbers and the signs of the equation."""
        return self.p + len(self._signs)

    @property
    def classes(self) -> int:
        """The p residues."""
        return self.p

    @property
    def title(self) -> str:
        """The task as a formula."""
        return f"a {SYMBOLS[self.operation]} b mod {self.p}"

    def operands(self) -> Int[Tensor, "batch 2"]:
        """All pairs in lexicographic order: p² of them, p(p − 1) for division."""
        numbers = torch.arange(self.p)
        return torch.cartesian_prod(numbers, numbers[1:] if self.operation == "div" else numbers)

    def examples(self) -> Examples:
        """Every equation and its answer."""
        pairs = self.operands()
        a, b = pairs.unbind(1)
        place = {"a": a, "b": b} | {name: torch.full_like(a, token) for name, token in self._signs.items()}
        tokens = torch.stack([place[word] for word in self.equation.split()], dim=1)
        return Examples(tokens, self._answer(a, b))

    def _answer(self, a: Int[Tensor, " batch"], b: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
        if self.operation == "add":
            return (a + b) % self.p
        if self.operation == "sub":
            return (a - b) % self.p
        if self.operation == "mul":
            return a * b % self.p
        inverse = torch.tensor([pow(x, self.p - 2, self.p) for x in range(self.p)])
        return a * inverse[b] % self.p

    def algebra(self) -> Algebra:
        """C_p for + and −; the cyclic group of the non-zero residues, by the discrete logarithm, for × and ÷."""
        commutative = self.operation in ("add", "mul")
        sign = 1 if commutative else -1
        if self.operation in ("add", "sub"):
            return Algebra(f"C_{self.p}", commutative, 0, torch.arange(self.p), sign)
        g = primitive_root(self.p)
        cycle = torch.tensor([pow(g, i, self.p) for i in range(self.p - 1)])
        return Algebra(f"C_{self.p - 1} and a zero", commutative, 1, cycle, sign)


def primitive_root(p: int) -> int:
    """The least g whose powers are all non-zero residues of the prime p.

    >>> primitive_root(7)
    3
    """
    for g in range(1, p):
        power, order = g, 1
        while power != 1:
            power, order = power * g % p, order + 1
        if order == p - 1:
            return g
    raise ValueError(f"expected a prime, got {p}")

"""Modular arithmetic: a ∘ b mod p for ∘ in +, −, ×, ÷ (Power et al. 2022, arXiv 2201.02177)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from latebloom.tasks.algebra import Algebra
from latebloom.tasks.equation import Equation, signs, written
from latebloom.tasks.examples import Examples, is_prime

Operation = Literal["add", "sub", "mul", "div"]
SYMBOLS = {"add": "+", "sub": "−", "mul": "×", "div": "÷"}


@dataclass(frozen=True)
class Modular:
    """a ∘ b mod p over every pair (a, b); division leaves out b = 0, since nothing is divided by it.

    Formula: a + b, a − b, a × b or a ÷ b mod p
    Domain: all pairs of residues; ÷ without b = 0
    Size: p²; p(p − 1) for ÷ (p = 97: 9409 and 9312)
    Source: Power et al. 2022 (arXiv 2201.02177); p = 113 in Nanda et al. 2023 (arXiv 2301.05217)

    Numbers are the tokens 0 … p − 1; the signs that `equation` writes come after them (p, p + 1, …).

    Raises:
        ValueError: p is not prime where the operation needs a field (mul, div).
    """

    operation: Annotated[Operation, Field(description="the operation ∘ of a ∘ b mod p")] = "add"
    p: Annotated[int, Field(ge=2, le=4001, description="the modulus; prime for mul and div")] = 113
    equation: Annotated[
        Equation, Field(description="the tokens that are read; the answer is read off the last one")
    ] = "a b ="

    def __post_init__(self) -> None:
        if self.operation in ("mul", "div"):
            need_prime(self.p, self.operation)

    @property
    def d_vocab(self) -> int:
        """p numbers and the signs of the equation."""
        return self.p + len(signs(self.equation, self.p))

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
        labels = answer(self.operation, pairs[:, 0], pairs[:, 1], self.p)
        return Examples(written(self.equation, pairs, self.p), labels)

    def algebra(self) -> Algebra:
        """C_p for + and −; the cyclic group of the non-zero residues, by the discrete logarithm, for × and ÷."""
        commutative = self.operation in ("add", "mul")
        sign = 1 if commutative else -1
        if self.operation in ("add", "sub"):
            return Algebra(f"C_{self.p}", commutative, 0, torch.arange(self.p), sign)
        g = primitive_root(self.p)
        cycle = torch.tensor([pow(g, i, self.p) for i in range(self.p - 1)])
        return Algebra(f"C_{self.p - 1} and a zero", commutative, 1, cycle, sign)


def answer(operation: Operation, a: Int[Tensor, " batch"], b: Int[Tensor, " batch"], p: int) -> Int[Tensor, " batch"]:
    """a ∘ b mod p; ÷ for a prime p, by the inverse b^(p − 2), which makes of a ÷ 0 a 0 that callers leave out."""
    if operation == "add":
        return (a + b) % p
    if operation == "sub":
        return (a - b) % p
    if operation == "mul":
        return a * b % p
    inverse = torch.tensor([pow(x, p - 2, p) for x in range(p)])
    return a * inverse[b] % p


def need_prime(p: int, what: str) -> None:
    """Checks that p is a prime.

    Raises:
        ValueError: it is not, with the next prime below.
    """
    if not is_prime(p):
        below = next(q for q in range(p, 1, -1) if is_prime(q))
        raise ValueError(f"expected a prime p for {what}, got {p}; the next prime below is {below}")


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

"""Polynomials mod p: the list of Power et al. 2022 (arXiv 2201.02177), and any other, in two or three operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from latebloom.tasks.equation import LARGEST, Equation, signs, written
from latebloom.tasks.examples import Examples
from latebloom.tasks.formula import LONGEST, Node, parse

POWER2022 = ("x^2 + y^2", "x^2 + xy + y^2", "x^2 + xy + y^2 + x", "x^3 + xy", "x^3 + xy^2 + y")
"""The polynomials of Power et al. beside x + y, x − y and xy; all p² pairs, p = 97."""


@dataclass(frozen=True)
class Polynomial:
    """A polynomial in x, y (and z, if it occurs) mod p, over every pair (or triple): p² (or p³) examples.

    Formula: any polynomial in x, y (and z) with whole coefficients, mod p
    Domain: all pairs, or triples if z occurs
    Size: p² or p³ (p = 97: 9409)
    Source: Power et al. 2022 (arXiv 2201.02177); by them x^3 + xy^2 + y never generalises

    Written as "x^3 + xy", "(x + y)*z", "2x^2 - 3": + - * ^ and brackets, a missing * is understood. Any modulus will
    do, prime or not.

    Raises:
        ValueError: the formula cannot be read (where, and what was expected), or the table would be too large.
    """

    formula: Annotated[str, Field(max_length=LONGEST, description="the polynomial in x, y and z")] = "x^2 + xy + y^2"
    p: Annotated[int, Field(ge=2, le=4001, description="the modulus, prime or not")] = 97
    equation: Annotated[Equation, Field(description="the tokens that are read (the third operand c follows b)")] = (
        "a b ="
    )

    def __post_init__(self) -> None:
        if not self._tree.variables():
            raise ValueError(f"expected a formula in x and y, got {self.formula!r}, which has neither")
        if self.p**self.arity > LARGEST:
            most = int(LARGEST ** (1 / self.arity) + 1e-9)
            raise ValueError(f"expected p ≤ {most} with {self.arity} operands ({LARGEST:,} examples), got {self.p}")

    @property
    def _tree(self) -> Node:
        return parse(self.formula)

    @property
    def arity(self) -> int:
        """The number of operands: 3 where z occurs, else 2."""
        return 3 if "z" in self._tree.variables() else 2

    @property
    def d_vocab(self) -> int:
        """p numbers and the signs of the equation."""
        return self.p + len(signs(self.equation, self.p))

    @property
    def classes(self) -> int:
        """The p residues, whether or not each is a value of the polynomial."""
        return self.p

    @property
    def title(self) -> str:
        """The task as a formula."""
        return f"{self.formula} mod {self.p}"

    def operands(self) -> Int[Tensor, "batch arity"]:
        """All pairs (x, y) or triples (x, y, z) in lexicographic order."""
        return torch.cartesian_prod(*[torch.arange(self.p)] * self.arity)

    def examples(self) -> Examples:
        """Every equation and its answer."""
        operands = self.operands()
        values = dict(zip("xyz", operands.unbind(1), strict=False))
        return Examples(written(self.equation, operands, self.p), self._tree.at(values, self.p))

    def algebra(self) -> None:
        """Nothing is stated (x + y and x − y, which have a cyclic group, are the task `modular`)."""
        return None

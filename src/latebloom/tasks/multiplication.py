"""Multiplying in a finite group: ab, ba, aba⁻¹, aba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from latebloom.tasks.algebra import Algebra
from latebloom.tasks.equation import Equation, signs, written
from latebloom.tasks.examples import Examples
from latebloom.tasks.groups.group import Group
from latebloom.tasks.groups.named import LONGEST, named_group


@dataclass(frozen=True)
class GroupMultiplication:
    """A word in two elements of a finite group, over every pair (a, b): |G|² examples, 14400 for S_5.

    Formula: ab, ba, aba⁻¹ or aba in a finite group
    Domain: all pairs of elements
    Size: |G|² (S_5: 14 400)
    Source: Power et al. 2022 (arXiv 2201.02177); Chughtai et al. 2023 (arXiv 2302.03025)

    Groups by name: C_n, D_n, S_n, A_n, and products such as "S_3 x C_2", of at most 2048 elements. Of permutations, ab
    is first a, then b: (ab)[i] = b[a[i]], as in the code of Power et al. 2022 (arXiv 2201.02177), whose words on S_5
    are ab, aba^-1 and aba; "ba" is a ∘ b as functions, (ba)[i] = a[b[i]]. Elements are numbered, and are tokens, in the
    order of `Group.elements`: permutations lexicographically, rotations before reflections, pairs lexicographically.

    Raises:
        ValueError: no such group, or one that is too large or too small.
    """

    group: Annotated[str, Field(max_length=LONGEST, description='the group: C_n, D_n, S_n, A_n, "S_3 x C_2"')] = "S_5"
    word: Annotated[Literal["ab", "ba", "aba^-1", "aba"], Field(description="the product that is asked for")] = "ab"
    equation: Annotated[Equation, Field(description="the tokens that are read")] = "a b ="

    def __post_init__(self) -> None:
        if len(self.structure()) < 2:
            raise ValueError(f"expected a group of at least 2 elements, got {self.group!r}, which has one")

    def structure(self) -> Group:
        """The group; its elements' numbers are the operands' tokens and the classes."""
        return named_group(self.group)

    @property
    def d_vocab(self) -> int:
        """One token for each element, and the signs of the equation."""
        return self.classes + len(signs(self.equation, self.classes))

    @property
    def classes(self) -> int:
        """The elements."""
        return len(self.structure())

    @property
    def title(self) -> str:
        """The task as a formula."""
        return f"{self.word.replace('^-1', '⁻¹')} in {self.structure().name}"

    def operands(self) -> Int[Tensor, "batch 2"]:
        """All pairs of elements' numbers in lexicographic order."""
        numbers = torch.arange(self.classes)
        return torch.cartesian_prod(numbers, numbers)

    def examples(self) -> Examples:
        """Every equation and its answer."""
        pairs = self.operands()
        group = self.structure()
        a, b = pairs.unbind(1)
        product = group.table[b, a] if self.word == "ba" else group.table[a, b]
        if self.word.startswith("aba"):
            product = group.table[product.long(), a if self.word == "aba" else group.inverse[a]]
        return Examples(written(self.equation, pairs, self.classes), product.long())

    def algebra(self) -> Algebra | None:
        """That of addition mod n where the group is cyclic and the word a product of two; else None."""
        group = self.structure()
        generator = int((group.orders == len(group)).int().argmax())
        if group.orders[generator] < len(group) or self.word.startswith("aba"):
            return None
        return Algebra(f"C_{len(group)}", True, group.identity, torch.tensor(group.powers(generator)), 1)

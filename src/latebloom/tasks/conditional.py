"""One operation or another, by the parity of an operand (Power et al. 2022, arXiv 2201.02177, A.1.1 and their code)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from latebloom.tasks.equation import Equation, signs, written
from latebloom.tasks.examples import Examples
from latebloom.tasks.modular import SYMBOLS, Operation, answer, need_prime


@dataclass(frozen=True)
class Conditional:
    """One operation mod p where an operand is odd, another where it is even, over every pair (a, b).

    Formula: one operation mod p where b (or a) is odd, another where it is even
    Domain: all pairs; those with ÷ 0 are left out
    Size: p² where an odd number is divided by (p = 97: 9409)
    Source: Power et al. 2022 (arXiv 2201.02177), A.1.1 and their code

    The default is that of Power et al. 2022 (arXiv 2201.02177): a ÷ b where b is odd, else a − b; all 9409 pairs of
    p = 97, since an odd b is never 0. Their code also has a + b where a is even, else a × b, or else a − b. Pairs in
    which 0 would be divided by are left out. Odd and even mean the number 0 … p − 1 itself: mod an odd p they are no
    property of the residue.

    Raises:
        ValueError: p is not prime where an operation needs a field (mul, div).
    """

    odd: Annotated[Operation, Field(description="the operation where the operand is odd")] = "div"
    even: Annotated[Operation, Field(description="the operation where the operand is even")] = "sub"
    by: Annotated[Literal["a", "b"], Field(description="the operand whose parity decides")] = "b"
    p: Annotated[int, Field(ge=2, le=4001, description="the modulus; prime if there is mul or div")] = 97
    equation: Annotated[Equation, Field(description="the tokens that are read")] = "a b ="

    def __post_init__(self) -> None:
        for operation in (self.odd, self.even):
            if operation in ("mul", "div"):
                need_prime(self.p, operation)

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
        one, other = (f"a {SYMBOLS[operation]} b" for operation in (self.odd, self.even))
        return f"{one} if {self.by} is odd, else {other}, mod {self.p}"

    def _is_odd(self, pairs: Int[Tensor, "batch 2"]) -> Tensor:
        return pairs[:, "ab".index(self.by)] % 2 == 1

    def operands(self) -> Int[Tensor, "batch 2"]:
        """All pairs in lexicographic order, but for those in which something is divided by 0."""
        pairs = torch.cartesian_prod(torch.arange(self.p), torch.arange(self.p))
        odd = self._is_odd(pairs)
        divided = (odd & (self.odd == "div")) | (~odd & (self.even == "div"))
        return pairs[~(divided & (pairs[:, 1] == 0))]

    def examples(self) -> Examples:
        """Every equation and its answer."""
        pairs = self.operands()
        one, other = (answer(operation, pairs[:, 0], pairs[:, 1], self.p) for operation in (self.odd, self.even))
        return Examples(written(self.equation, pairs, self.p), torch.where(self._is_odd(pairs), one, other))

    def algebra(self) -> None:
        """No group: each half of the table has another one."""
        return None

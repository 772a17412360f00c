"""Sparse parity: whether the first k of n bits hold an odd number of ones (Barak et al. 2022, arXiv 2207.08799)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Generator, Tensor

from latebloom.tasks.drawing import drawn_by
from latebloom.tasks.examples import Examples


@dataclass(frozen=True)
class SparseParity:
    """The parity of the first k of n bits, on a finite sample of all 2^n rows of bits.

    Formula: x₁ + … + x_k mod 2
    Domain: rows of n bits
    Size: `samples` of 2ⁿ, or fresh ones at every step
    Source: Barak et al. 2022 (arXiv 2207.08799); Merrill et al. 2023 (arXiv 2303.11873)

    The sample has `samples` rows, all different, drawn uniformly by `seed`, in lexicographic order; the split takes the
    training rows from it, so that N of them and M for testing is samples = N + M and split.fraction = N / (N + M). The
    bits are the tokens 0 and 1, the class is the sum of the first k mod 2; which k bits count does not matter but for
    a causal network's order of reading. Source: Barak et al. 2022 (arXiv 2207.08799); n = 40, k = 3, N = 1000 in
    Merrill et al. 2023 (arXiv 2303.11873), whose code has the first k bits too, but bits ±1, one output and hinge loss.

    Raises:
        ValueError: k is above n, or there are fewer than `samples` rows of n bits.
    """

    n: Annotated[int, Field(ge=1, le=62, description="bits of one example")] = 40
    k: Annotated[int, Field(ge=1, le=62, description="bits that count, the first ones")] = 3
    samples: Annotated[int, Field(ge=2, le=10**6, description="examples, training and test together")] = 2000
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="draws the sample")] = 0

    def __post_init__(self) -> None:
        if self.k > self.n:
            raise ValueError(f"expected k ≤ n, got k = {self.k} and n = {self.n}")
        if self.samples > 2**self.n:
            raise ValueError(f"expected at most {2**self.n} samples of {self.n} bits, got {self.samples}")

    @property
    def d_vocab(self) -> int:
        """The two bits."""
        return 2

    @property
    def classes(self) -> int:
        """Even and odd."""
        return 2

    @property
    def title(self) -> str:
        """The task in a few words."""
        return f"parity of {self.k} of {self.n} bits, {self.samples} samples"

    def _numbers(self) -> Int[Tensor, " batch"]:
        """Distinct numbers below 2^n, ascending: a uniformly random set of the asked-for size."""
        generator = drawn_by(self.seed, f"parity/{self.n}/{self.samples}")
        if 2**self.n <= 4 * self.samples:
            return torch.randperm(2**self.n, generator=generator)[: self.samples].sort().values
        # drawing until there are enough and then dropping some at random leaves every set equally likely
        found = torch.empty(0, dtype=torch.int64)
        while len(found) < self.samples:
            more = torch.randint(2**self.n, (2 * self.samples,), generator=generator)
            found = torch.cat([found, more]).unique()
        return found[torch.randperm(len(found), generator=generator)[: self.samples]].sort().values

    def draw(self, count: int, generator: Generator) -> Examples:
        """So many independent rows of bits."""
        return self._answered(torch.randint(2, (count, self.n), generator=generator))

    def operands(self) -> Int[Tensor, "batch n"]:
        """The bits of each example, the first one first."""
        return self._numbers()[:, None] >> torch.arange(self.n - 1, -1, -1) & 1

    def examples(self) -> Examples:
        """Every row of the sample and its parity."""
        return self._answered(self.operands())

    def _answered(self, bits: Int[Tensor, "batch n"]) -> Examples:
        return Examples(bits, bits[:, : self.k].sum(1) % 2)

    def algebra(self) -> None:
        """No two-operand group."""
        return None

"""All examples of a task as tensors, and which of them share a prefix of tokens."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Distinct:
    """The distinct values that some tokens take, and where they occur.

    Attributes:
        tokens: the last token of each distinct value, shape (row).
        of: the row of each example of the full set, shape (batch).
        first: one example of the full set that has the value, shape (row).
    """

    tokens: Int[Tensor, " row"]
    of: Int[Tensor, " batch"]
    first: Int[Tensor, " row"]


@dataclass(frozen=True, eq=False)
class Examples:
    """A set of examples: what the network reads and what it should answer.

    Attributes:
        tokens: shape (batch, position).
        labels: the right class of each example, shape (batch); of several answers an example (batch, answer).
        full: the set that this one was taken from; None when it is the full set itself.
        index: where in the full set each example stands, shape (batch); None for the full set.
        memo: what was derived from these examples and is worth keeping (distinct values, a model's plan).
    """

    tokens: Int[Tensor, "batch position"]
    labels: Int[Tensor, "batch *answer"]
    full: Examples | None = None
    index: Int[Tensor, " batch"] | None = None
    memo: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Int[Tensor, " chosen"]) -> Examples:
        """The examples at `index`, which remember the full set so that its distinct values are found only once."""
        if self.full is not None and self.index is not None:
            return self.full.take(self.index[index])
        return Examples(self.tokens[index], self.labels[index], full=self, index=index)

    def alone(self) -> Examples:
        """The same examples as a full set of their own (distinct values are counted among them alone)."""
        return Examples(self.tokens, self.labels)

    def to(self, device: torch.device | str) -> Examples:
        """The same examples on another device, as a full set of their own."""
        return Examples(self.tokens.to(device), self.labels.to(device))

    def distinct_tokens(self, position: int) -> Distinct:
        """The distinct tokens at one position of the full set."""
        name = ("token", position)
        if name not in self.memo:
            self.memo[name] = self._distinct(position, self.tokens[:, position])
        return self.memo[name]

    def distinct_prefixes(self, position: int) -> Distinct:
        """The distinct beginnings `tokens[: position + 1]` of the full set."""
        name = ("prefix", position)
        if name not in self.memo:
            before = self.distinct_prefixes(position - 1).of if position else torch.zeros_like(self.tokens[:, 0])
            base = int(self.tokens.max()) + 1
            self.memo[name] = self._distinct(position, before * base + self.tokens[:, position])
        return self.memo[name]

    def _distinct(self, position: int, key: Int[Tensor, " batch"]) -> Distinct:
        values, of = torch.unique(key, return_inverse=True)
        example = torch.arange(len(of), device=of.device)
        first = torch.full_like(values, len(of)).scatter_reduce(0, of, example, "amin")
        return Distinct(self.tokens[first, position], of, first)


@cache
def is_prime(n: int) -> bool:
    """Whether n is a prime (trial division: moduli here are small)."""
    return n > 1 and all(n % q for q in range(2, int(n**0.5) + 1))

"""Repeated subsequences: what followed last time follows again, the task of induction heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Generator, Tensor

from latebloom.tasks.drawing import distinct, drawn_by
from latebloom.tasks.examples import Examples


@dataclass(frozen=True)
class RepeatedSubsequence:
    """Random tokens in which one subsequence stands `repeats` times, the last time at the end.

    Formula: the token that followed this one's earlier copies
    Domain: random tokens with one subsequence repeated
    Size: `samples` sequences, or fresh ones at every step
    Source: Nanda et al. 2023 (arXiv 2301.05217, additional tasks); Olsson et al. 2022 (arXiv 2209.11895)

    The copies before the last stand at random places, apart from each other, so that no fixed distance leads from a
    token to its copy: it has to be found by what it is (Olsson et al. 2022, arXiv 2209.11895). The subsequence has
    distinct tokens that occur nowhere else, so that every answer is determined: length − 1 of them, the last copy's
    second token to its last. The last token is only asked for, not read. The fixed sample has `samples` examples, drawn
    by `seed`; with split.scheme = "fresh" every update draws its own. The saved runs of Nanda et al.: 128 tokens,
    sequences of 85, subsequences of 16 three times, two layers, 512 training sequences or data without end. Departures:
    theirs asks at every copy, and tokens of the subsequence may recur.

    Raises:
        ValueError: the copies do not fit, or too few tokens are left for the rest.
    """

    vocabulary: Annotated[int, Field(ge=4, le=4096, description="tokens")] = 128
    context: Annotated[int, Field(ge=4, le=1024, description="tokens of one sequence, the last one included")] = 85
    length: Annotated[int, Field(ge=2, le=512, description="tokens of the subsequence")] = 16
    repeats: Annotated[int, Field(ge=2, le=16, description="how often it stands in the sequence")] = 3
    samples: Annotated[int, Field(ge=2, le=10**5, description="sequences, training and test together")] = 1024
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="draws the sample")] = 0

    def __post_init__(self) -> None:
        if self._free < 1:
            raise ValueError(
                f"expected a context of more than repeats × length = {self.repeats * self.length}, got {self.context}"
            )
        if self.vocabulary < self.length + 2:
            raise ValueError(f"expected at least length + 2 = {self.length + 2} tokens, got {self.vocabulary}")

    @property
    def _free(self) -> int:
        return self.context - self.repeats * self.length

    @property
    def d_vocab(self) -> int:
        """The tokens."""
        return self.vocabulary

    @property
    def classes(self) -> int:
        """The tokens."""
        return self.vocabulary

    @property
    def answers(self) -> int:
        """The last copy's tokens but for its first, which nothing foretells."""
        return self.length - 1

    @property
    def title(self) -> str:
        """The task in a few words."""
        return f"subsequences of {self.length} tokens, {self.repeats} times in {self.context}, {self.samples} samples"

    def draw(self, count: int, generator: Generator) -> Examples:
        """So many independent sequences."""
        order = torch.rand(count, self.vocabulary, generator=generator).argsort(dim=1)
        copied, others = order[:, : self.length], order[:, self.length :]
        filling = others.gather(1, torch.randint(others.shape[1], (count, self._free), generator=generator))
        # the free tokens go into the gaps before the copies; places among free tokens and copies, the last copy last
        units = self._free + self.repeats - 1
        places = torch.rand(count, units, generator=generator).argsort(dim=1)[:, : self.repeats - 1].sort(dim=1).values
        is_copy = torch.zeros(count, units + 1, dtype=torch.bool).scatter(1, places, True)
        is_copy[:, -1] = True
        widths = torch.where(is_copy, self.length, 1)
        starts = widths.cumsum(1) - widths
        tokens = torch.empty(count, self.context, dtype=torch.int64)
        tokens.scatter_(1, starts[~is_copy].view(count, -1), filling)
        inside = starts[is_copy].view(count, -1, 1) + torch.arange(self.length)
        tokens.scatter_(1, inside.flatten(1), copied.repeat(1, self.repeats))
        return Examples(tokens[:, :-1], tokens[:, -self.answers :].contiguous())

    def examples(self) -> Examples:
        """The fixed sample, in lexicographic order."""
        name = f"induction/{self.vocabulary}/{self.context}/{self.length}/{self.repeats}/{self.samples}"
        return distinct(self.draw, self.samples, drawn_by(self.seed, name))

    def operands(self) -> Int[Tensor, "batch position"]:
        """All tokens that are read."""
        return self.examples().tokens

    def algebra(self) -> None:
        """No group."""
        return None

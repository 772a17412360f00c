"""Skip trigrams: "A … B → A", which of several tokens stood before, asked by the last one."""

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
class SkipTrigrams:
    """Each of `families` has `variants` tokens; one of each family stands somewhere before, and B_i asks for family i.

    Formula: A … B → A: the token of the family that the last token asks for
    Domain: one token of each family among tokens without meaning
    Size: `samples` sequences, or fresh ones at every step
    Source: skip trigrams of Nanda et al. 2023 (arXiv 2301.05217); Elhage et al. 2021

    That is the set of skip trigrams A_ij … B_i → A_ij (Elhage et al. 2021, transformer-circuits.pub), families ×
    variants of them: a head has to look from B_i to the tokens of its family and to copy what it finds. The rest of the
    context are tokens without meaning. The fixed sample has `samples` examples, drawn by `seed`; with split.scheme =
    "fresh" every update draws its own. The saved runs of Nanda et al. have no settings: these are our own.

    Raises:
        ValueError: the context is too short for one token of each family and the last one.
    """

    families: Annotated[int, Field(ge=1, le=64, description="kinds of tokens that can be asked for")] = 8
    variants: Annotated[int, Field(ge=2, le=64, description="tokens of each kind")] = 8
    context: Annotated[int, Field(ge=2, le=1024, description="tokens that are read, the last one included")] = 24
    fillers: Annotated[int, Field(ge=1, le=4096, description="tokens without meaning")] = 32
    samples: Annotated[int, Field(ge=2, le=10**6, description="examples, training and test together")] = 3000
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="draws the sample")] = 0

    def __post_init__(self) -> None:
        if self.context < self.families + 1:
            raise ValueError(
                f"expected a context of at least families + 1 = {self.families + 1} tokens, got {self.context}"
            )
        if 2 * self.samples > (most := self.families * self.variants**self.families):
            raise ValueError(f"expected at most {most // 2} samples, got {self.samples}")

    @property
    def d_vocab(self) -> int:
        """A_ij (number i·variants + j), then B_i, then those without meaning."""
        return self.classes + self.families + self.fillers

    @property
    def classes(self) -> int:
        """A_ij."""
        return self.families * self.variants

    @property
    def title(self) -> str:
        """The task in a few words."""
        return f"{self.classes} skip trigrams in {self.context} tokens, {self.samples} samples"

    def draw(self, count: int, generator: Generator) -> Examples:
        """So many independent sequences."""
        first = torch.arange(self.families) * self.variants
        sources = first + torch.randint(self.variants, (count, self.families), generator=generator)
        asked = torch.randint(self.families, (count, 1), generator=generator)
        without = self.context - 1 - self.families
        rest = self.classes + self.families + torch.randint(self.fillers, (count, without), generator=generator)
        order = torch.rand(count, self.context - 1, generator=generator).argsort(dim=1)
        before = torch.cat([sources, rest], dim=1).gather(1, order)
        tokens = torch.cat([before, self.classes + asked], dim=1)
        return Examples(tokens, sources.gather(1, asked).squeeze(1))

    def examples(self) -> Examples:
        """The fixed sample, in lexicographic order."""
        name = f"skip-trigrams/{self.families}/{self.variants}/{self.context}/{self.fillers}/{self.samples}"
        return distinct(self.draw, self.samples, drawn_by(self.seed, name))

    def operands(self) -> Int[Tensor, "batch position"]:
        """All tokens."""
        return self.examples().tokens

    def algebra(self) -> None:
        """No group."""
        return None

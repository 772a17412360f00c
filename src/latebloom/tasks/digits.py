"""Addition of numbers written in digits: several answers an example, and data without end (Nanda et al. 2023)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Generator, Tensor

from latebloom.tasks.drawing import distinct, drawn_by
from latebloom.tasks.examples import Examples

PLUS, EQUALS = 10, 11


@dataclass(frozen=True)
class DigitAddition:
    """12345+67890=080235, digit by digit: n + 1 answers an example, read after the = and after each digit of the sum.

    Formula: the n + 1 digits of a + b, one after the other
    Domain: a, b uniform below 10ⁿ
    Size: `samples` of 10²ⁿ, or fresh ones at every step
    Source: Nanda et al. 2023 (arXiv 2301.05217, additional tasks; 700 training examples, or without end)

    Operands uniform below 10ⁿ, written with n digits, the highest first; the sum has n + 1 digits, and each is the next
    token after the ones before it. The fixed sample has `samples` examples, all different, drawn by `seed`; the split
    takes the training examples from it, so that N of them are split.fraction = N / samples. With split.scheme = "fresh"
    every update draws its own.

    Raises:
        ValueError: there are fewer than `samples` pairs of numbers.
    """

    digits: Annotated[int, Field(ge=1, le=9, description="digits n of each operand")] = 5
    samples: Annotated[int, Field(ge=2, le=10**6, description="examples, training and test together")] = 2700
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="draws the sample")] = 0

    def __post_init__(self) -> None:
        # drawing nearly every pair would take for ever
        if 2 * self.samples > 10 ** (2 * self.digits):
            most = 10 ** (2 * self.digits) // 2
            raise ValueError(f"expected at most {most} samples (half of all pairs of numbers), got {self.samples}")

    @property
    def d_vocab(self) -> int:
        """Ten digits, + and =."""
        return 12

    @property
    def classes(self) -> int:
        """Ten digits."""
        return 10

    @property
    def answers(self) -> int:
        """The digits of the sum."""
        return self.digits + 1

    @property
    def title(self) -> str:
        """The task in a few words."""
        return f"addition of {self.digits}-digit numbers, {self.samples} samples"

    def draw(self, count: int, generator: Generator) -> Examples:
        """So many sums of independent operands."""
        a, b = torch.randint(10**self.digits, (2, count), generator=generator)
        total = _written(a + b, self.answers)
        signs = [torch.full((count, 1), sign) for sign in (PLUS, EQUALS)]
        read = [_written(a, self.digits), signs[0], _written(b, self.digits), signs[1], total[:, :-1]]
        return Examples(torch.cat(read, dim=1), total)

    def examples(self) -> Examples:
        """The fixed sample, ordered by its operands."""
        return distinct(self.draw, self.samples, drawn_by(self.seed, f"digits/{self.digits}/{self.samples}"))

    def operands(self) -> Int[Tensor, "batch digits"]:
        """The digits of both operands."""
        tokens = self.examples().tokens
        return torch.cat([tokens[:, : self.digits], tokens[:, self.digits + 1 : 2 * self.digits + 1]], dim=1)

    def algebra(self) -> None:
        """No group of small order."""
        return None


def _written(numbers: Int[Tensor, " batch"], digits: int) -> Int[Tensor, "batch digit"]:
    """The digits, the highest first."""
    return numbers[:, None] // 10 ** torch.arange(digits - 1, -1, -1) % 10

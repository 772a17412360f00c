"""Random draws of a task's own, which no other seed moves; tasks that are a sample of more than can be listed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Generator

from latebloom.tasks.examples import Examples

ROUNDS = 200
"""Draws of a sample before it is given up: with fewer kinds of examples than were asked for it would never end."""


@runtime_checkable
class Drawn(Protocol):
    """A task whose examples are a fixed sample, and that can draw others: training on fresh ones at every step.

    A task may also ask for several answers an example: it then has a property `answers`, labels of shape (batch,
    answers), and the answers are read off the last so many positions, each next token in turn (`answers_of`).
    """

    def draw(self, count: int, generator: Generator) -> Examples:
        """So many examples, independent of each other and of the sample."""
        ...


def answers_of(task: object) -> int:
    """The number of answers that a task asks for in each example: 1 unless it says otherwise."""
    return getattr(task, "answers", 1)


def drawn_by(seed: int, name: str) -> Generator:
    """A generator whose stream depends on the seed and the name alone."""
    digest = hashlib.sha256(f"task/{seed}/{name}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def distinct(draw: Callable[[int, Generator], Examples], samples: int, generator: Generator) -> Examples:
    """A sample without repetitions, in lexicographic order.

    Drawing until there are enough and dropping some at random leaves every set equally likely (where every example is).

    Raises:
        ValueError: there are hardly so many different examples.
    """
    tokens = labels = None
    for _ in range(ROUNDS):
        more = draw(2 * samples, generator)
        tokens = more.tokens if tokens is None else torch.cat([tokens, more.tokens])
        labels = more.labels if labels is None else torch.cat([labels, more.labels])
        tokens, of = torch.unique(tokens, dim=0, return_inverse=True)
        first = torch.full((len(tokens),), len(of)).scatter_reduce(0, of, torch.arange(len(of)), "amin")
        labels = labels[first]
        if len(tokens) >= samples:
            kept = torch.randperm(len(tokens), generator=generator)[:samples].sort().values
            return Examples(tokens[kept], labels[kept])
    raise ValueError(f"expected at most as many samples as there are different examples, got {samples}")

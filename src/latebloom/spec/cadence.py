"""At which steps something is due, as functions of the step alone (a resumed run keeps the same ones)."""

from __future__ import annotations

from itertools import pairwise

LEAST = 20
"""Takings of a costly measure that a run gets, however short it is: fewer draw no curve."""


def log_gap(step: int, every: int) -> int:
    """Steps between log rows around `step`: 1, 2, 5, 10, … (about step / 20), and at last `every`."""
    gap = 1
    for size in _round_numbers(every):
        if size <= step / 20:
            gap = size
    return gap


def log_due(step: int, every: int) -> bool:
    """Whether measures are taken: densely at first, then every `every` steps.

    >>> [s for s in range(200) if log_due(s, 50)][-5:]
    [160, 170, 180, 190, 195]
    """
    return step % log_gap(step, every) == 0


def takings(steps: int, every: int, stride: int) -> int:
    """How often something is taken at every `stride`-th log row of a run of `steps` updates, its last step included.

    >>> takings(2800, 20, 2000), takings(2800, 20, 10)
    (2, 24)
    """
    gaps = _round_numbers(every)
    begins = [0, *(20 * gap for gap in gaps[1:]), steps + 1]
    found = 0
    for gap, (begin, end) in zip(gaps, pairwise(begins), strict=True):
        found += max(0, -(-min(end, steps + 1) // (gap * stride)) - -(-begin // (gap * stride)))
    return found + (steps % (log_gap(steps, every) * stride) != 0)


def stride_within(steps: int, every: int, asked: int) -> int:
    """The stride that is asked for, or the largest of 1, 2, 5, 10, … below it that gives `LEAST` takings.

    >>> stride_within(2800, 20, 2000), stride_within(40000, 20, 50)
    (10, 50)
    """
    below = [number for number in _round_numbers(asked) if takings(steps, every, number) >= LEAST]
    return max(below, default=1)


def _round_numbers(every: int) -> list[int]:
    """1, 2, 5, 10, … below `every`, then `every` itself."""
    numbers, power = [], 1
    while power < every:
        numbers += [n * power for n in (1, 2, 5) if n * power < every]
        power *= 10
    return [*numbers, every]


def checkpoint_due(step: int, every: int) -> bool:
    """Whether the whole state is stored."""
    return step % every == 0

"""Parts of a table that are trained on or held out as a whole: rows, and blocks of cosets of a subgroup."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from latebloom.tasks.algebra import Algebra, OverGroup, Task
from latebloom.tasks.groups import Group, left_cosets, right_cosets
from latebloom.tasks.groups.subgroups import generated

MOST_NAMED = 12
"""Names of elements that a message lists."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of equal size that a table falls into.

    Attributes:
        of: the block of each example, counted from 0, shape (batch); −1 for those that lie in none.
        count: how many blocks there are.
    """

    of: Int[Tensor, " batch"]
    count: int

    @property
    def outside(self) -> int:
        """The number of examples that lie in no block; they are always trained on."""
        return int((self.of < 0).sum())

    @property
    def size(self) -> int:
        """The number of examples of each block."""
        return (len(self.of) - self.outside) // self.count


def rows(task: Task) -> Blocks:
    """All examples with the same first operand are a block.

    Raises:
        ValueError: the rows are not equally long, so that a share of them is no share of the examples.
    """
    values, of = task.operands()[:, 0].unique(return_inverse=True)
    lengths = of.bincount()
    if len(lengths.unique()) > 1:
        raise ValueError(
            f"expected a task with equally many examples for each first operand, got {int(lengths.min())} to "
            f"{int(lengths.max())}"
        )
    return Blocks(of, len(values))


def cosets(task: Task, subgroup: str) -> Blocks:
    """All pairs (a, b) with a in one left coset gH of a subgroup H and b in one right coset Hk are a block.

    Their products fill the double coset gHk. In a cyclic group left and right are the same, and a subgroup is that of
    the exponents; operands that are not in the group (the zero of × and ÷) lie in no block.

    Args:
        task: a task over a group, or with an algebra.
        subgroup: elements that generate H, with commas between them, as the group names them: "10234, 12340".

    Raises:
        ValueError: the task has no group, an element is not in it, or H is the whole group or one element.
    """
    operands = task.operands()
    if isinstance(task, OverGroup):
        left, right = _of_group(task.structure(), subgroup)
    elif (algebra := task.algebra()) is not None:
        left = right = _of_cycle(algebra, subgroup, task.d_vocab)
    else:
        raise ValueError(f"expected a task over a group (group; modular with + − × ÷), got {task.title}")
    a, b = left[operands[:, 0]], right[operands[:, 1]]
    side = int(left.max()) + 1
    return Blocks(torch.where((a < 0) | (b < 0), -1, a * side + b), side * side)


def _of_group(group: Group, subgroup: str) -> tuple[Int[Tensor, " order"], Int[Tensor, " order"]]:
    number = {name.replace(" ", ""): i for i, name in enumerate(group.elements)}
    found = generated(group, [number[name] for name in _names(subgroup, list(group.elements))])
    _check_size(len(found), len(group), group.name)
    return left_cosets(group, found), right_cosets(group, found)


def _of_cycle(algebra: Algebra, subgroup: str, tokens: int) -> Int[Tensor, " token"]:
    place = {str(token): i for i, token in enumerate(algebra.cycle.tolist())}
    # the exponents that a set generates are the multiples of their greatest common divisor
    step = math.gcd(algebra.order, *(place[name] for name in _names(subgroup, list(place))))
    _check_size(algebra.order // step, algebra.order, algebra.group)
    of = torch.full((tokens,), -1)
    of[algebra.cycle] = torch.arange(algebra.order) % step
    return of


def _names(subgroup: str, elements: list[str]) -> list[str]:
    """The elements that a text lists; a pair such as "(r1, 0)" holds a comma of its own."""
    known = {name.replace(" ", "") for name in elements}
    names, rest = [], ""
    for word in subgroup.replace(" ", "").split(","):
        rest = f"{rest},{word}" if rest else word
        if rest.count("(") == rest.count(")"):
            names, rest = [*names, rest], ""
    for name in [*names, *([rest] if rest else [])]:
        if name not in known:
            shown = "; ".join(elements[:MOST_NAMED]) + ("; …" if len(elements) > MOST_NAMED else "")
            raise ValueError(f"expected elements of the group with commas between them ({shown}), got {name!r}")
    return names


def _check_size(order: int, whole: int, name: str) -> None:
    if not 1 < order < whole:
        what = "the whole group" if order == whole else "one element"
        prime = all(whole % q for q in range(2, math.isqrt(whole) + 1))
        hint = "; a group of prime order has no other subgroup" if prime else ""
        raise ValueError(f"expected elements that generate a part of {name}, got those of {what}{hint}")

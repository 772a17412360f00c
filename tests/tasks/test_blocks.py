"""Blocks of a table: rows, and cosets of a subgroup in groups and cyclic tasks."""

from __future__ import annotations

import itertools
import re

import pytest
import torch

from latebloom.tasks import Conditional, GroupMultiplication, Mixture, Modular, Polynomial, SparseParity, cosets, rows


@pytest.mark.parametrize("task", [Modular("div", 5), Polynomial("x + y + z", 3), Mixture(("add", "sub"), 3)])
def test_rows_share_their_first_operand(task):
    found = rows(task)
    assert torch.equal(found.of, task.operands()[:, 0])
    assert (found.count, found.outside) == (task.classes, 0)
    assert found.size * found.count == len(task.examples())


def test_cosets_of_a_cyclic_group_by_hand():
    found = cosets(Modular("sub", 12), "8")
    # 8 generates {0, 4, 8}: cosets by the remainder of 4
    expected = [a % 4 * 4 + b % 4 for a, b in itertools.product(range(12), repeat=2)]
    assert found.of.tolist() == expected
    assert (found.count, found.size, found.outside) == (16, 9, 0)


def test_cosets_of_the_residues_leave_zero_outside():
    task = Modular("mul", 7)
    found = cosets(task, "6")
    # {1, 6}: a and -a are together, and pairs with a zero are in no block
    for (a, b), block in zip(task.operands().tolist(), found.of.tolist(), strict=True):
        assert (block < 0) == (a * b == 0)
        for c, d in ((7 - a, b), (a, 7 - b)):
            if block >= 0:
                assert found.of[c * 7 + d] == block
    assert (found.count, found.size, found.outside) == (9, 4, 13)


@pytest.mark.parametrize(("group", "subgroup"), [("S_4", "1023"), ("D_5", "r1"), ("S_3 x C_2", "(120, 0), (012, 1)")])
def test_products_of_a_block_fill_one_double_coset(group, subgroup):
    task = GroupMultiplication(group)
    found, labels = cosets(task, subgroup), task.examples().labels
    table, elements = task.structure().table, task.structure().elements
    inside = {task.structure().identity}
    while len(more := inside | {int(table[a, elements.index(g)]) for a in inside for g in _split(subgroup)}) > len(
        inside
    ):
        inside = more
    assert found.count == (len(elements) // len(inside)) ** 2
    assert set(found.of.bincount().tolist()) == {found.size}
    for block in range(found.count):
        a, b = divmod(int((found.of == block).nonzero()[0]), len(elements))
        filled = {int(table[int(table[a, h]), b]) for h in inside}
        assert set(labels[found.of == block].tolist()) == filled


def _split(subgroup: str) -> list[str]:
    return re.findall(r"\([^)]*\)|[^, ]+", subgroup)


@pytest.mark.parametrize(
    ("task", "subgroup", "message"),
    [
        (Modular("add", 12), "12", "expected elements of the group with commas between them (0; 1; 2; 3; 4; 5; 6; 7"),
        (Modular("add", 12), "0", "expected elements that generate a part of C_12, got those of one element"),
        (Modular("add", 12), "5", "expected elements that generate a part of C_12, got those of the whole group"),
        (Modular("add", 13), "5", "those of the whole group; a group of prime order has no other subgroup"),
        (GroupMultiplication("S_3"), "(0, 1", "got '(0,1'"),
        (GroupMultiplication("S_3"), "021,,102", "got ''"),
        (SparseParity(5, 2, 20), "1", "expected a task over a group (group; modular with + − × ÷), got parity"),
    ],
)
def test_what_has_no_cosets_is_said(task, subgroup, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        cosets(task, subgroup)


def test_rows_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="equally many examples for each first operand, got 4 to 5"):
        rows(Conditional("div", "sub", "a", 5))

from __future__ import annotations

import dataclasses
import itertools
import math
import re

import pytest
import torch

from latebloom.tasks.groups import character_table, irreducible, named_group
from latebloom.tasks.groups.characters import indicator
from latebloom.tasks.groups.representations import check
from latebloom.tasks.groups.young import contents, partitions, standard_tableaux

GROUPS = ["C_1", "C_2", "C_7", "C_8", "D_1", "D_2", "D_5", "D_6", "S_1", "S_2", "S_4", "A_3", "A_4", "A_5"]
GROUPS += ["S_3 x C_3", "C_2 x D_4"]
PHI = (1 + math.sqrt(5)) / 2


@pytest.mark.parametrize("name", GROUPS)
def test_representations_one_by_one(name):
    """Every product of the table, every pair of characters, every matrix element: nothing is left to generators."""
    group, found = named_group(name), irreducible(name)
    elements = []
    for rho in found:
        m = rho.matrices.to(torch.complex128)
        for a in range(len(group)):
            assert (m[group.table[a].long()] - m[a] @ m).abs().max() < 1e-12
        elements.append(m.flatten(1).T * math.sqrt(rho.dimension / len(group)))
    # Schur: the matrix elements, scaled, are an orthonormal basis of all functions on the group
    basis = torch.cat(elements)
    assert basis.shape == (len(group), len(group))
    assert (basis @ basis.mH - torch.eye(len(group))).abs().max() < 1e-10
    assert len(found) == len(group.classes)
    assert (found[0].character - 1).abs().max() < 1e-12
    assert len({rho.name for rho in found}) == len(found)


@pytest.mark.parametrize("name", GROUPS)
def test_characters_are_constant_on_classes_and_real_ones_have_real_matrices(name):
    group = named_group(name)
    table = character_table(name)
    for row, rho in zip(table, irreducible(name), strict=True):
        for column, members in enumerate(group.classes):
            assert (rho.character[list(members)] - row[column]).abs().max() < 1e-12
        # no group here has a quaternionic one
        assert indicator(group, rho.character) == (0 if rho.matrices.is_complex() else 1)


def cycle_type(element: str) -> tuple[int, ...]:
    images, seen, lengths = list(map(int, element)), set(), []
    for start in range(len(images)):
        length, x = 0, start
        while x not in seen:
            seen.add(x)
            x, length = images[x], length + 1
        lengths += [length] * (length > 0)
    return tuple(sorted(lengths, reverse=True))


# Published tables (James and Liebeck, Representations and Characters of Groups, 2001): rows by partition, columns by
# cycle type
PUBLISHED = {
    "S_3": (
        [(1, 1, 1), (2, 1), (3,)],
        {"(3)": [1, 1, 1], "(2, 1)": [2, 0, -1], "(1, 1, 1)": [1, -1, 1]},
    ),
    "S_4": (
        [(1, 1, 1, 1), (2, 1, 1), (3, 1), (2, 2), (4,)],
        {
            "(4)": [1, 1, 1, 1, 1],
            "(1, 1, 1, 1)": [1, -1, 1, 1, -1],
            "(2, 2)": [2, 0, -1, 2, 0],
            "(3, 1)": [3, 1, 0, -1, -1],
            "(2, 1, 1)": [3, -1, 0, -1, 1],
        },
    ),
    "S_5": (
        [(1, 1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 1), (2, 2, 1), (4, 1), (3, 2), (5,)],
        {
            "(5)": [1, 1, 1, 1, 1, 1, 1],
            "(1, 1, 1, 1, 1)": [1, -1, 1, 1, -1, -1, 1],
            "(4, 1)": [4, 2, 1, 0, 0, -1, -1],
            "(2, 1, 1, 1)": [4, -2, 1, 0, 0, 1, -1],
            "(3, 1, 1)": [6, 0, 0, -2, 0, 0, 1],
            "(3, 2)": [5, 1, -1, 1, -1, 1, 0],
            "(2, 2, 1)": [5, -1, -1, 1, 1, -1, 0],
        },
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_characters_of_symmetric_groups_are_the_published_ones(name):
    types, rows = PUBLISHED[name]
    group = named_group(name)
    order = [types.index(cycle_type(group.elements[members[0]])) for members in group.classes]
    assert sorted(order) == list(range(len(types)))
    for rho, row in zip(irreducible(name), character_table(name).tolist(), strict=True):
        assert row == pytest.approx([rows[rho.name][i] for i in order], abs=1e-12)


def test_characters_of_the_alternating_group_of_five_are_the_published_ones():
    """Fulton and Harris, Representation Theory (1991), section 3.1, which has the table of S_5 too."""
    group = named_group("A_5")
    by_type = {"(5)": [1, 1, 1, 1], "(4, 1)": [4, 0, 1, -1], "(3, 2)": [5, 1, -1, 0]}
    types = [(1, 1, 1, 1, 1), (2, 2, 1), (3, 1, 1), (5,)]
    table = dict(zip((rho.name for rho in irreducible("A_5")), character_table("A_5").tolist(), strict=True))
    columns = [types.index(cycle_type(group.elements[members[0]])) for members in group.classes]
    assert sorted(columns) == [0, 1, 2, 3, 3]
    for name, row in by_type.items():
        assert table[name] == pytest.approx([row[i] for i in columns], abs=1e-12)
    # the two of degree 3 have the golden ratio and its conjugate at the two classes of 5-cycles, in turn
    plus, minus = table["(3, 1, 1)+"], table["(3, 1, 1)-"]
    for row in (plus, minus):
        assert [row[columns.index(i)] for i in range(3)] == pytest.approx([3, -1, 0], abs=1e-12)
    fives = [k for k, i in enumerate(columns) if i == 3]
    assert [plus[k] for k in fives] == pytest.approx([PHI, 1 - PHI], abs=1e-12)
    assert [minus[k] for k in fives] == pytest.approx([1 - PHI, PHI], abs=1e-12)


@pytest.mark.parametrize("n", [3, 4, 5, 6, 7, 12])
def test_characters_of_dihedral_groups_are_the_published_ones(n):
    """Serre, Linear Representations of Finite Groups (1977), section 5.3."""
    group = named_group(f"D_{n}")
    for rho in irreducible(f"D_{n}"):
        for element, value in zip(group.elements, rho.character.tolist(), strict=True):
            k, reflection = int(element.strip("rs")), element.endswith("s")
            if rho.dimension == 2:
                expected = 0 if reflection else 2 * math.cos(2 * math.pi * int(rho.name) * k / n)
            else:
                expected = (-1) ** (k * rho.name.startswith("alternating"))
                expected *= -1 if reflection and rho.name.endswith("reflections") else 1
            assert value == pytest.approx(expected, abs=1e-12)
    assert sorted(rho.dimension for rho in irreducible(f"D_{n}")) == [1] * (4 - 2 * (n % 2)) + [2] * ((n - 1) // 2)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_characters_of_cyclic_groups_are_roots_of_unity(n):
    table = character_table(f"C_{n}").to(torch.complex128)
    for k, x in itertools.product(range(n), repeat=2):
        angle = 2 * math.pi * k * x / n
        assert abs(complex(table[k, x]) - complex(math.cos(angle), math.sin(angle))) < 1e-12


def test_characters_of_a_product_are_products():
    one, other, both = (character_table(name) for name in ("S_3", "D_4", "S_3 x D_4"))
    assert torch.allclose(both, torch.kron(one, other))


def test_dimensions_of_six_things():
    """S_6 and A_6 against the published degrees (Conway et al., Atlas of Finite Groups, 1985)."""
    assert sorted(rho.dimension for rho in irreducible("S_6")) == [1, 1, 5, 5, 5, 5, 9, 9, 10, 10, 16]
    assert sorted(rho.dimension for rho in irreducible("A_6")) == [1, 5, 5, 8, 8, 9, 10]


def test_the_check_finds_every_kind_of_fault():
    group, found = named_group("S_3"), list(irreducible("S_3"))

    def spoilt(matrices):
        return [dataclasses.replace(found[1], matrices=matrices)]

    m = found[1].matrices
    faults = {
        "(2, 1) of S_3 is not unitary": [found[0], *spoilt(2 * m), found[2]],
        "(2, 1) of S_3 is not a homomorphism at ": [found[0], *spoilt(m.roll(1, 0)), found[2]],
        "the characters of S_3 are not orthonormal": [found[0], found[0], found[1]],
        "the representations of S_3 are not complete": found[:2],
    }
    for message, representations in faults.items():
        with pytest.raises(ArithmeticError, match=re.escape(message)):
            check(group, representations)


@pytest.mark.parametrize("n", range(1, 7))
def test_tableaux_by_brute_force(n):
    """A filling is standard if its numbers ascend along rows and columns; contents are column less row."""
    for shape in partitions(n):
        found = set()
        for filling in itertools.product(range(len(shape)), repeat=n):
            cells = {row: [i for i in range(n) if filling[i] == row] for row in range(len(shape))}
            lengths = tuple(len(cells[row]) for row in range(len(shape)))
            ascends = lengths == shape and all(
                cells[row][column] < cells[row + 1][column]
                for row in range(len(shape) - 1)
                for column in range(shape[row + 1])
            )
            if ascends:
                found.add(filling)
                places = {i: column - row for row, numbers in cells.items() for column, i in enumerate(numbers)}
                assert contents(filling) == [places[i] for i in range(n)]
        assert set(standard_tableaux(shape)) == found
    assert sum(len(standard_tableaux(shape)) ** 2 for shape in partitions(n)) == math.factorial(n)

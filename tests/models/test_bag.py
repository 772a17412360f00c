from __future__ import annotations

import pytest
import torch

import reference
from latebloom.models.bag import Entries, bag


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(6, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(8, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    # row 5 is never read, row 0 twice by one sum
    rows = torch.randint(0, 5, (8, 4), generator=generator)
    rows[0, :2] = 0
    return table, weights, Entries(rows, 6)


def test_equals_a_gather(case):
    table, weights, entries = case
    assert torch.allclose(bag(table, weights, entries), reference.bag(table, weights, entries.rows), atol=1e-14)
    ones = torch.ones_like(weights)
    assert torch.allclose(bag(table, None, entries), reference.bag(table, ones, entries.rows), atol=1e-14)


def test_first_and_second_derivatives(case):
    table, weights, entries = case
    assert torch.autograd.gradcheck(lambda t, w: bag(t, w, entries), (table, weights))
    assert torch.autograd.gradgradcheck(lambda t, w: bag(t, w, entries), (table, weights))
    assert torch.autograd.gradgradcheck(lambda t: bag(t, None, entries).pow(2), (table,))

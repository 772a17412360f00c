from __future__ import annotations

import pytest
import torch

from latebloom.optim.muon import orthogonalised


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (2, 4, 6)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    found = orthogonalised(matrix)
    inner = left.mT @ found @ right.mT
    assert torch.allclose(
        inner - torch.diag_embed(inner.diagonal(dim1=-2, dim2=-1)), torch.zeros_like(inner), atol=1e-10
    )
    sizes = inner.diagonal(dim1=-2, dim2=-1)
    assert sizes.min() > 0.5
    assert sizes.max() < 1.3
    # singular value by singular value, the iteration is the published quintic
    x = values / values.square().sum(-1, keepdim=True).sqrt()
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    assert torch.allclose(sizes, x, atol=1e-10)


def test_a_zero_matrix_stays_zero():
    assert torch.equal(orthogonalised(torch.zeros(3, 4)), torch.zeros(3, 4))

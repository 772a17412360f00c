"""What rules do at the edge; their formulas are in `test_published.py`."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from latebloom.optim import SAM, OrthoGrad


def hyper(rule):
    values = dataclasses.asdict(rule).items()
    return {name: torch.tensor(v, dtype=torch.float64) for name, v in values if isinstance(v, int | float)}


@pytest.mark.parametrize("over", ["all", "tensor"])
def test_orthograd_of_weights_that_are_zero_is_the_gradient(over):
    grad = {"a": torch.tensor([1.0, 2.0])}
    found, _ = OrthoGrad(over).direction(lambda _: grad, {}, {"a": torch.zeros(2)}, {})
    assert torch.allclose(found["a"], grad["a"])


def test_sam_takes_the_gradient_uphill():
    params = {"a": torch.tensor([3.0, 4.0], dtype=torch.float64)}
    seen = []

    def gradient(at):
        seen.append(at["a"])
        return {"a": 2 * at["a"]}

    found, _ = SAM(0.5).direction(gradient, {}, params, hyper(SAM(0.5)))
    assert torch.allclose(seen[1], torch.tensor([3.3, 4.4], dtype=torch.float64))
    assert torch.allclose(found["a"], 2 * seen[1])
    flat, _ = SAM(0.5).direction(lambda at: {"a": torch.zeros(2)}, {}, params, hyper(SAM(0.5)))
    assert not flat["a"].any()

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from latebloom.spec.run_spec import Loss
from latebloom.training.losses import LOSSES, loss_of


def slow(name: str, logits, labels) -> float:
    total = 0.0
    for z, c in zip(logits.tolist(), labels.tolist(), strict=True):
        if name == "cross-entropy":
            total += torch.tensor(z, dtype=torch.float64).logsumexp(0).item() - z[c]
        elif name == "stablemax":
            s = [x + 1 if x >= 0 else 1 / (1 - x) for x in z]
            total -= torch.tensor(s[c] / sum(s), dtype=torch.float64).log().item()
        elif name == "mse":
            total += sum((x - (j == c)) ** 2 for j, x in enumerate(z)) / len(z)
        else:
            total += max(0.0, 1 - (z[c] - max(x for j, x in enumerate(z) if j != c)))
    return total / len(logits)


@pytest.mark.parametrize("name", LOSSES)
def test_equals_its_formula(name):
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(20, 7, generator=generator, dtype=torch.float64)
    logits[0, 0] = 0.0
    labels = torch.randint(7, (20,), generator=generator)
    found = loss_of(Loss(name=name))(logits.float().double(), labels)
    assert found.item() == pytest.approx(slow(name, logits.float().double(), labels), rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_and_second_derivative(name):
    generator = torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(6, 5, generator=generator, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(5, (6,), generator=generator)
    assert torch.autograd.gradcheck(lambda z: LOSSES[name](z, labels), logits)
    assert torch.autograd.gradgradcheck(lambda z: LOSSES[name](z, labels), logits)


def test_stablemax_has_a_gradient_far_out():
    logits = torch.tensor([[1e6, -1e6, 0.0]], dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(LOSSES["stablemax"](logits, torch.tensor([1])), logits)
    assert torch.isfinite(grad).all()
    assert grad.abs().min() > 0


def test_precision_is_the_loss_s_own():
    logits, labels = torch.tensor([[17.0, 0.0]]), torch.tensor([0])
    assert loss_of(Loss(precision="float64"))(logits, labels).dtype == torch.float64
    assert loss_of(Loss(precision="float32"))(logits, labels).dtype == torch.float32


def far_apart(precision: str) -> tuple[Tensor, Tensor]:
    """Logits whose softmax has ordinary, denormal and vanishing float32 entries, and labels."""
    logits = torch.tensor([[0.0, -10, -80, -95, -120], [-100, 0, -90, -88, -5]], dtype=getattr(torch, precision))
    return logits, torch.tensor([0, 4])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_gradient_by_logits_has_no_denormal_numbers(precision):
    logits, labels = far_apart("float32")
    exact = torch.softmax(logits.double(), -1)
    exact[torch.arange(2), labels] -= 1
    loss = loss_of(Loss(precision=precision))
    (found,) = torch.autograd.grad(loss(leaf := logits.requires_grad_(), labels), leaf)
    denormal = (exact / 2).abs() < torch.finfo(torch.float32).tiny
    assert 2 < int(denormal.sum()) < 10
    assert (found[denormal] == 0).all()
    assert (found[~denormal] != 0).all()
    if precision == "float64":
        torch.testing.assert_close(found[~denormal].double(), exact[~denormal] / 2, rtol=1e-6, atol=0)


FUNCTIONAL = torch.func
DERIVATIVES = {
    "gradient": FUNCTIONAL.grad,
    "of each": lambda of: lambda z: FUNCTIONAL.vmap(FUNCTIONAL.grad(of))(torch.stack([z, 2 * z])),
    "forward over reverse": FUNCTIONAL.hessian,
    "reverse over reverse": lambda of: FUNCTIONAL.jacrev(FUNCTIONAL.jacrev(of)),
    "reverse over forward": lambda of: FUNCTIONAL.jacrev(FUNCTIONAL.jacfwd(of)),
}


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # of torch.func itself
@pytest.mark.parametrize("kind", DERIVATIVES)
def test_clearing_changes_no_derivative_where_all_numbers_are_ordinary(kind):
    logits, labels = far_apart("float64")
    derivative, loss = DERIVATIVES[kind], loss_of(Loss())
    wanted = derivative(lambda z: torch.nn.functional.cross_entropy(z, labels))(logits / 20)
    torch.testing.assert_close(derivative(lambda z: loss(z, labels))(logits / 20), wanted, rtol=1e-12, atol=1e-15)

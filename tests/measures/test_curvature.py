from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

import cases
from latebloom.measures import Subject
from latebloom.measures.alignment import alignment_by_block, alignment_by_tensor, alignment_of
from latebloom.measures.curvature import GaussNewton, Hessian, Precision, cast, criterion_of, flat, loss_of, parts
from latebloom.measures.lanczos import extremes, lanczos, quadrature
from latebloom.measures.sketch import gaussian, rademacher
from latebloom.models import MLP, Bilinear, initial_params
from latebloom.tasks import Modular
from latebloom.training.losses import LOSSES, cross_entropy


@cache
def case(name: str, loss: str = "cross-entropy") -> tuple[Subject, dict[str, Tensor]]:
    """A row of the list of models made as small as its kind allows, with weights that are not small."""
    task = Modular("add", 5, "a b")
    model: Any = cases.model_for(name, task)
    if isinstance(model, Bilinear):
        model = dataclasses.replace(model, d_hidden=4)
    elif isinstance(model, MLP):
        model = dataclasses.replace(model, d_model=3, widths=(4,) * len(model.widths))
    else:
        width = model.n_heads * (2 if model.n_heads < 3 else 1)
        model = dataclasses.replace(model, d_model=width, d_mlp=min(model.d_mlp, 4))
    drawn = initial_params(model.tensors(), "pytorch", 1)
    params = {key: 1.5 * tensor.double() + 0.05 for key, tensor in drawn.items()}
    index = torch.tensor([0, 2, 3, 6, 7, 11, 13, 16, 19, 20, 22])
    rest = torch.tensor([i for i in range(25) if i not in index.tolist()])
    return Subject(task, model, task.examples(), index, rest, loss=LOSSES[loss]), params


@cache
def dense(name: str, loss: str = "cross-entropy") -> tuple[Tensor, Tensor, Tensor]:
    """g, H and its Gauss–Newton part as matrices, on the plain forward pass by torch.func."""
    subject, params = case(name, loss)
    labels, tokens = subject.train.labels, subject.train.tokens

    def logits(vector: Tensor) -> Tensor:
        return subject.model.apply(parts(vector, params), tokens)[0]

    def criterion(z: Tensor) -> Tensor:
        return LOSSES[loss](z, labels)

    theta = flat(params)
    slope = torch.func.grad(lambda vector: criterion(logits(vector)))
    z = logits(theta)
    jacobian = torch.func.jacrev(logits)(theta).flatten(0, 1)
    curved = torch.func.jacrev(torch.func.jacrev(criterion))(z).flatten(2).flatten(0, 1)
    return slope(theta), torch.func.jacrev(slope)(theta), jacobian.T @ curved @ jacobian


def operator(name: str, loss: str = "cross-entropy") -> Hessian:
    subject, params = case(name, loss)
    return Hessian(params, loss_of(subject, subject.train, torch.float64))


def gauss_newton(name: str, loss: str = "cross-entropy") -> GaussNewton:
    subject, params = case(name, loss)
    criterion = criterion_of(subject, subject.train, torch.float64)
    return GaussNewton(params, lambda params: subject.model.logits(params, subject.train), criterion)


def close(found: Tensor, right: Tensor, scale: Tensor) -> bool:
    return bool((found - right).abs().max() <= 1e-9 * scale.abs().max())


@pytest.mark.parametrize("name", cases.MODELS)
def test_products_against_the_dense_hessian(name):
    g, h, part = dense(name)
    hessian, curved = operator(name), gauss_newton(name)
    params = case(name)[1]
    assert close(hessian.gradient, g, g)
    for v in (g, gaussian(params, "one"), gaussian(params, "two")):
        assert close(hessian(v), h @ v, h @ v)
        assert close(curved(v), part @ v, h @ v)
        assert curved.quadratic(v) == pytest.approx(float(v @ part @ v), rel=1e-8, abs=1e-12)
    found = alignment_of(hessian)
    assert found.cosine == pytest.approx(float(g @ h @ g / (g.norm() * (h @ g).norm())), abs=1e-8)
    assert found.curvature == pytest.approx(float(g @ h @ g / (g @ g)), rel=1e-8)
    assert found.gradient == pytest.approx(float(g.norm()), rel=1e-8)
    assert found.product == pytest.approx(float((h @ g).norm()), rel=1e-8)


@pytest.mark.parametrize("name", cases.MODELS)
def test_eigenpairs_against_the_dense_hessian(name):
    _, h, _ = dense(name)
    hessian = operator(name)
    right = torch.linalg.eigvalsh(h)
    found = extremes(hessian, gaussian(case(name)[1], "start"), 4, most=len(h), tolerance=1e-11)
    scale = right.abs().max()
    assert close(found.values, right.flip(0)[:4], scale)
    assert found.least == pytest.approx(float(right[0]), abs=1e-9 * float(scale))
    true = (h @ found.vectors.T - found.vectors.T * found.values).norm(dim=0)
    assert bool((true <= found.residuals + 1e-12 * scale).all())
    assert close(found.vectors @ found.vectors.T, torch.eye(4, dtype=torch.float64), torch.ones(1))


@pytest.mark.parametrize("name", cases.MODELS)
def test_traces_against_the_dense_hessian(name):
    """The mean of vᵀHv and vᵀGv over the same probes, exactly."""
    _, h, part = dense(name)
    params = case(name)[1]
    probes = torch.stack([rademacher(params, str(i)) for i in range(3)])
    hessian = operator(name)
    samples = ((probes @ h) * probes).sum(dim=1)
    assert close(torch.stack([v @ hessian(v) for v in probes]), samples, samples)
    nodes, weights = quadrature([lanczos(hessian, v, 3).inner for v in probes], 3)
    assert close(len(h) * (nodes * weights).sum(dim=1), samples, samples)
    curved = gauss_newton(name)
    quadratics = torch.tensor([curved.quadratic(v) for v in probes], dtype=torch.float64)
    assert close(quadratics, ((probes @ part) * probes).sum(dim=1), quadratics)


@pytest.mark.parametrize("name", ["nanda", "mlp, concatenate", "two layers, pre-norm"])
def test_tensors_and_blocks_against_the_dense_hessian(name):
    g, h, _ = dense(name)
    hessian = operator(name)
    by_tensor, by_block = alignment_by_tensor(hessian, hessian(hessian.gradient)), alignment_by_block(hessian)
    at = 0
    for key, tensor in case(name)[1].items():
        rows = slice(at, at + tensor.numel())
        at += tensor.numel()
        for found, product in ((by_tensor[key], (h @ g)[rows]), (by_block[key], h[rows, rows] @ g[rows])):
            if g[rows].norm() < 1e-14 or product.norm() < 1e-14:
                continue
            cosine = float(g[rows] @ product / (g[rows].norm() * product.norm()))
            assert found.cosine == pytest.approx(cosine, abs=1e-8)
            assert found.curvature == pytest.approx(float(g[rows] @ product / g[rows].square().sum()), rel=1e-7)
    assert by_tensor["unembed.W_U"].cosine != pytest.approx(by_block["unembed.W_U"].cosine, abs=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(loss):
    g, h, part = dense("mlp, concatenate", loss)
    hessian, curved = operator("mlp, concatenate", loss), gauss_newton("mlp, concatenate", loss)
    assert close(hessian(g), h @ g, h @ g)
    assert close(curved(g), part @ g, h @ g)


def test_gauss_newton_has_no_negative_curvature_and_the_hessian_has():
    _, h, part = dense("nanda")
    assert float(torch.linalg.eigvalsh(part)[0]) > -1e-12
    assert float(torch.linalg.eigvalsh(h)[0]) < -1e-3


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_an_independent_oracle():
    curvlinops = pytest.importorskip("curvlinops")
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 5)).double()
    drawn = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 3, generator=drawn, dtype=torch.float64), torch.arange(7) % 5
    params = {name: tensor.detach() for name, tensor in module.named_parameters()}
    score = torch.nn.CrossEntropyLoss()

    def logits(params):
        return torch.func.functional_call(module, params, (x,))

    v = gaussian(params, "v")
    ours = (
        Hessian(params, lambda params: score(logits(params), y))(v),
        GaussNewton(params, logits, lambda z: score(z, y))(v),
    )
    arguments = (module, score, list(module.parameters()), [(x, y)])
    theirs = curvlinops.HessianLinearOperator(*arguments) @ v, curvlinops.GGNLinearOperator(*arguments) @ v
    for one, other in zip(ours, theirs, strict=True):
        assert close(one, other, other)


def test_a_float32_loss_is_measured_in_float64_and_the_other_way_round():
    subject, params = case("mlp, concatenate")
    rounded = dataclasses.replace(subject, loss=lambda z, y: cross_entropy(z.to(torch.float32), y))
    raised = dataclasses.replace(subject, loss=lambda z, y: cross_entropy(z.double(), y))
    train = subject.train
    right = Hessian(params, loss_of(subject, train, torch.float64)).gradient
    assert torch.equal(Hessian(params, loss_of(rounded, train, torch.float64)).gradient, right)
    low = cast(params, torch.float32)
    plain = Hessian(low, loss_of(subject, train, torch.float32)).gradient
    assert plain.dtype == torch.float32
    assert torch.equal(Hessian(low, loss_of(raised, train, torch.float32)).gradient, plain)


def test_every_way_to_cast_is_seen():
    x = torch.ones(2)
    with Precision(torch.float64):
        for found in (x.float(), x.to(torch.float32), x.to(dtype=torch.float16), x.half(), x.softmax(0, torch.float32)):
            assert found.dtype == torch.float64
        assert x.to(torch.int64).dtype == torch.int64
    assert x.double().float().dtype == torch.float32


def test_what_does_not_depend_on_anything_is_zero():
    params = {"used": torch.ones(2, dtype=torch.float64), "unused": torch.ones(3, dtype=torch.float64)}
    linear = Hessian(params, lambda params: params["used"].sum())
    assert linear.gradient.tolist() == [1, 1, 0, 0, 0]
    assert linear(torch.ones(5, dtype=torch.float64)).tolist() == [0] * 5
    assert Hessian(params, lambda params: torch.tensor(1.0)).gradient.tolist() == [0] * 5


def test_the_callers_parameters_are_left_alone():
    params = {"w": torch.ones(2, dtype=torch.float64)}
    with torch.no_grad():
        hessian = Hessian(params, lambda params: params["w"].pow(3).sum())
        assert hessian(hessian.gradient).tolist() == [18, 18]
    assert not params["w"].requires_grad

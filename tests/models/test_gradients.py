"""Gradients that a model writes out by hand: those of autograd through `apply`, and None where it does not know how."""

from __future__ import annotations

import pytest
import torch

import cases
from latebloom.models import Bilinear, Graded
from latebloom.models.transformer_gradients import _Layout
from latebloom.spec import Loss
from latebloom.tasks import Modular
from latebloom.training.losses import LOSSES, loss_gradient_of, loss_of
from models_at_random import float64_params

TASKS = {
    "a b =": Modular("add", 13),
    "eos a o b =": Modular("sub", 11, "eos a o b ="),
    "a b": Modular("add", 13, "a b"),
}
WRITTEN_OUT = {"nanda", "uniform attention", "odd width", "scaled, no biases, no positions"}


# a bilinear network reads two tokens only
PAIRS = [(m, t) for m in cases.MODELS for t in TASKS if cases.MODELS[m][0] is not Bilinear or t == "a b"]


@pytest.mark.parametrize(("model_name", "task_name"), PAIRS)
@pytest.mark.parametrize("loss_name", LOSSES)
def test_written_out_gradients_are_those_of_autograd(model_name, task_name, loss_name, monkeypatch):
    task = TASKS[task_name]
    model = cases.model_for(model_name, task)
    order = torch.randperm(len(task.examples()), generator=torch.Generator().manual_seed(2))
    params, loss = float64_params(model), Loss(name=loss_name)
    # chunks and blocks of a size that does not divide the examples
    monkeypatch.setattr("latebloom.models.transformer_gradients.CHUNK_BYTES", 8 * 100 * 16)
    monkeypatch.setattr("latebloom.models.transformer_gradients.HELD_BYTES", 4 * 3 * 32 * 2)
    known = False
    for examples in (task.examples(), task.examples().take(order[: 2 * len(order) // 3].sort().values)):
        found = model.gradients(params, examples, loss_gradient_of(loss)) if isinstance(model, Graded) else None
        if found is None:
            continue
        known = True
        value = loss_of(loss)(model.apply(params, examples.tokens)[0], examples.labels)
        slow = torch.autograd.grad(value, list(params.values()), materialize_grads=True)
        assert list(found) == list(params)
        for (name, fast), wanted in zip(found.items(), slow, strict=True):
            assert (fast - wanted).abs().max() <= 1e-10, name
    assert known == (model_name in WRITTEN_OUT and task_name != "a b"), (model_name, task_name)


def test_the_same_examples_give_the_same_bits_again():
    task = Modular("add", 13)
    model = cases.model_for("nanda", task)
    params, by_loss = float64_params(model), loss_gradient_of(Loss())
    examples = task.examples()
    first = {name: grad.clone() for name, grad in model.gradients(params, examples, by_loss).items()}
    other = {name: 2 * tensor for name, tensor in params.items()}
    model.gradients(other, examples, by_loss)
    again = model.gradients(params, examples, by_loss)
    fresh = model.gradients(params, task.examples(), by_loss)
    for name, grad in first.items():
        assert torch.equal(grad, again[name])
        assert torch.equal(grad, fresh[name])


def test_what_is_multiplied_holds_no_denormal_numbers():
    """They make the products of a network that has memorised a hundred times slower."""
    task = Modular("add", 13)
    model = cases.model_for("nanda", task)
    params = {name: tensor.float() for name, tensor in float64_params(model).items()}
    params["unembed.W_U"] *= 60 / model.apply(params, task.examples().tokens)[0].std()
    examples, least = task.examples(), torch.finfo(torch.float32).tiny
    exact = torch.softmax(model.apply(params, examples.tokens)[0].double(), -1) / len(examples)
    assert ((exact < least) & (exact > 1e-45)).sum() > 20
    model.gradients(params, examples, loss_gradient_of(Loss()))
    by_sum = _Layout.of(model, examples).buffers(model, torch.float32)[2]
    by_logits = by_sum[:, model.d_mlp : model.d_mlp + model.d_vocab_out]
    assert (by_logits != 0).any()
    assert not ((by_logits != 0) & (by_logits.abs() < least)).any()


def test_every_example_is_gone_through_once():
    task = Modular("add", 13)
    model = cases.model_for("nanda", task)
    examples = task.examples().take(torch.arange(0, 169, 2))
    layout = _Layout.of(model, examples)
    pairs = torch.stack([layout.tokens[layout.scores[t]] for t in (0, 1)], 1)
    wanted = {(int(a), int(b)): int(c) for (a, b, _), c in zip(examples.tokens, examples.labels, strict=True)}
    assert {(int(a), int(b)): int(c) for (a, b), c in zip(pairs, layout.labels, strict=True)} == wanted


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_the_gradient_of_a_loss_is_autograds(name, precision):
    loss = Loss(name=name, precision=precision)
    logits = torch.randn(7, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    (wanted,) = torch.autograd.grad(loss_of(loss)(logits, labels) * 7, logits)
    found = loss_gradient_of(loss)(logits.detach(), labels)
    assert found.dtype == {"float32": torch.float32, "float64": torch.float64}[precision]
    assert torch.allclose(found.to(wanted.dtype), wanted, atol=1e-6)

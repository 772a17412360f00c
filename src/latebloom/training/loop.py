"""The training loop of one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.models import Graded, keyed_generator
from latebloom.tasks import Drawn, Examples
from latebloom.training.batches import batch_at
from latebloom.training.constraints import constrained, decayed_update, with_held_zeros
from latebloom.training.noise import dropout, gaussian
from latebloom.training.schedules import hyper_at
from latebloom.training.setup import Setup
from latebloom.training.state import TrainState


def gradients(setup: Setup, params: Params, examples: Examples, step: int = 0) -> Grads:
    """∇ of the spec's loss and penalties over `examples`, with the random perturbations of the update after `step`."""
    regular, seed = setup.spec.regular, setup.spec.seeds.order
    if regular.weight_noise:
        noise = gaussian(params, regular.weight_noise, seed, f"weight-noise/{step}")
        params = {name: tensor + noise[name] for name, tensor in params.items()}
    grads = _written_out(setup, params, examples)
    if grads is None:
        grads = gradients_by_autograd(setup, params, examples, step)
    if regular.gradient_noise:
        noise = gaussian(grads, regular.gradient_noise, seed, f"gradient-noise/{step}")
        grads = {name: grad + noise[name] for name, grad in grads.items()}
    return grads


def _written_out(setup: Setup, params: Params, examples: Examples) -> Grads | None:
    """The gradient by the model's own means, where it has them and all examples are trained on every time."""
    spec, model = setup.spec, setup.model
    if spec.batch != "full" or spec.regular.dropout or spec.regular.l1 or not isinstance(model, Graded):
        return None
    return model.gradients(params, examples, setup.loss_gradient)


def gradients_by_autograd(setup: Setup, params: Params, examples: Examples, step: int = 0) -> Grads:
    """The same by autograd through the fast path, gradient noise left out."""
    l1 = setup.spec.regular.l1
    leaves = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
    loss = setup.loss(_logits(setup, leaves, examples, step), examples.labels)
    if l1:
        loss = loss + l1 * torch.stack([tensor.abs().sum() for tensor in leaves.values()]).sum()
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True), strict=True))


def _logits(setup: Setup, params: Params, examples: Examples, step: int) -> Tensor:
    p = setup.spec.regular.dropout
    if not p:
        return setup.model.logits(params, examples)
    # dropped entries differ between examples, so no row of a table can be shared
    residual = any(name.endswith("attn.W_O") for name in params)
    return setup.model.apply(params, examples.tokens, dropout(p, setup.spec.seeds.order, step, residual))[0]


def batch_of(setup: Setup, step: int) -> Examples:
    """What the update after `step` updates is taken on: everything, or the order seed's minibatch or fresh examples."""
    spec, examples = setup.spec, setup.train
    if spec.split.scheme == "fresh":
        assert isinstance(setup.task, Drawn)  # the spec was checked
        assert isinstance(spec.batch, int)
        return setup.task.draw(spec.batch, keyed_generator(spec.seeds.order, f"fresh/{step}")).to(setup.device)
    if spec.batch == "full":
        return examples
    index = batch_at(step, len(examples), spec.batch, spec.seeds.order)
    return examples.take(index.to(setup.device))


def update(setup: Setup, state: TrainState) -> TrainState:
    """One update."""
    examples = batch_of(setup, state.step)
    hyper = hyper_at(state.step, setup)

    def gradient(params: Params) -> Grads:
        # some optimisers mix the entries of a gradient: those of a mask are none of their business
        return with_held_zeros(setup, state.params, gradients(setup, params, examples, state.step))

    grads, rule = setup.rule.direction(gradient, state.rule, state.params, hyper)
    params, optim = decayed_update(setup, grads, state, hyper)
    params = constrained(setup, state.params, params)
    return TrainState(state.step + 1, params, optim, rule, before=replace(state, before=None))


def train(setup: Setup, state: TrainState, pause: Callable[[int], bool]) -> Iterator[TrainState]:
    """Trains from `state` to the spec's last step, and hands out the state at every step where `pause` says so.

    The state at the start and the last one are always handed out. A state is never changed afterwards: it can be kept.
    """
    yield state
    while state.step < setup.spec.steps:
        state = update(setup, state)
        if pause(state.step) or state.step == setup.spec.steps:
            yield state

"""Tries a task, a network and an optimiser once before a run is begun, so that a fault is told in one message."""

from __future__ import annotations

import torch
from torch import Tensor

from latebloom.errors import LatebloomError
from latebloom.tasks import answers_of
from latebloom.training.loop import gradients
from latebloom.training.schedules import hyper_at
from latebloom.training.setup import Setup

TRIED = 8
"""Examples that are tried."""


def check(setup: Setup) -> None:
    """Checks that the parts of a run keep their contracts.

    Raises:
        LatebloomError: one does not, with what was expected and what was got.
    """
    _check_task(setup)
    examples = setup.train.take(torch.arange(min(TRIED, len(setup.train)), device=setup.device))
    state = setup.initial_state()
    logits, plain = setup.model.logits(state.params, examples), setup.model.apply(state.params, examples.tokens)[0]
    if logits.dim() != 2 or len(logits) != examples.labels.numel() or logits.shape[1] < setup.task.classes:
        _fault("model.logits", f"shape ({examples.labels.numel()}, at least {setup.task.classes})", tuple(logits.shape))
    if logits.shape != plain.shape or not torch.allclose(logits, plain, rtol=1e-3, atol=1e-4, equal_nan=True):
        _fault("model.logits", "what model.apply gives", "other numbers")
    _check_loss(setup, logits.detach(), examples.labels.flatten())
    grads = gradients(setup, state.params, examples)
    params, _ = setup.optimiser.update(grads, state.optim, state.params, hyper_at(0, setup))
    for name, tensor in state.params.items():
        new = params.get(name)
        if new is None or new.shape != tensor.shape or new.dtype != tensor.dtype:
            _fault(
                "optim.update",
                f"{name} of shape {tuple(tensor.shape)}, {tensor.dtype}",
                new if new is None else new.dtype,
            )


def _check_task(setup: Setup) -> None:
    task, examples = setup.task, setup.examples
    for name, numbers, bound in (("tokens", examples.tokens, task.d_vocab), ("labels", examples.labels, task.classes)):
        if numbers.dtype != torch.int64:
            _fault(f"task.examples().{name}", "int64", numbers.dtype)
        if len(numbers) and (int(numbers.min()) < 0 or int(numbers.max()) >= bound):
            _fault(f"task.examples().{name}", f"0 … {bound - 1}", f"{int(numbers.min())} … {int(numbers.max())}")
    if len(examples.tokens) != len(examples.labels):
        _fault("task.examples()", f"{len(examples.tokens)} labels, one for each row of tokens", len(examples.labels))
    if examples.labels.shape[1:] not in ((), (answers_of(task),)):
        _fault("task.examples().labels", f"{answers_of(task)} answers an example", tuple(examples.labels.shape))
    if not isinstance(task.title, str):
        _fault("task.title", "a text", task.title)
    algebra = task.algebra()
    if algebra is not None and int(algebra.cycle.max()) >= task.d_vocab:
        _fault("task.algebra().cycle", f"tokens 0 … {task.d_vocab - 1}", int(algebra.cycle.max()))


def _check_loss(setup: Setup, logits: Tensor, labels: Tensor) -> None:
    """Written-out gradients and ensembles count each answer by itself."""
    whole = setup.loss(logits, labels)
    if whole.shape != ():
        _fault("the loss", "one number", f"shape {tuple(whole.shape)}")
    each = torch.stack([setup.loss(z, label) for z, label in zip(logits.split(1), labels.split(1), strict=True)]).mean()
    if not torch.allclose(whole, each, rtol=1e-3, atol=1e-6, equal_nan=True):
        _fault("the loss", f"the mean of what each answer gives alone, {float(each):.6g}", f"{float(whole):.6g}")


def _fault(what: str, expected: object, got: object) -> None:
    raise LatebloomError(f"{what}: expected {expected}, got {got}")

"""A spec made real: the task's examples, the split, the network and the optimiser, on one device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.models import LossGradient, Model, initial_params
from latebloom.optim import GradientRule, Optimiser
from latebloom.spec import RunSpec
from latebloom.tasks import Examples, Task
from latebloom.training.labels import corrupt
from latebloom.training.losses import DTYPES, loss_gradient_of, loss_of
from latebloom.training.splits import split
from latebloom.training.state import TrainState


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that stays the same during a run.

    Attributes:
        rule: what the optimiser is given for the gradient.
        loss: the training loss of (logits, labels), penalties left out.
        loss_gradient: its gradient by the logits, summed over the examples.
        examples: all examples of the task, in its order.
        train: the training examples, which share the distinct values of `examples`.
        train_index: where they stand in `examples`, ascending, shape (train).
        test_index: the others, ascending, shape (test).
        true_labels: the task's labels, shape (batch); those of `examples` differ at `corrupted_index`.
        corrupted_index: the training examples whose label was replaced, ascending, shape (corrupted).
    """

    spec: RunSpec
    task: Task
    model: Model
    optimiser: Optimiser
    rule: GradientRule
    loss: Callable[[Tensor, Tensor], Tensor]
    loss_gradient: LossGradient
    examples: Examples
    train: Examples
    train_index: Int[Tensor, " train"]
    test_index: Int[Tensor, " test"]
    true_labels: Int[Tensor, "batch *answer"]
    corrupted_index: Int[Tensor, " corrupted"]
    device: torch.device

    @classmethod
    def of(cls, spec: RunSpec, device: str | None = None) -> Setup:
        """Builds a spec on `device` ("cuda:1"); by default on the spec's kind of device.

        Raises:
            LatebloomError: the device is not there, or not of the spec's kind.
        """
        place = _device(spec, device)
        task = spec.build_task()
        examples = task.examples().to(place)
        train_index, test_index = (index.to(place) for index in split(spec, task))
        true_labels = examples.labels
        corrupted_index, labels = corrupt(true_labels, train_index, task.classes, spec)
        examples = examples if labels is true_labels else Examples(examples.tokens, labels)
        return cls(
            spec,
            task,
            spec.build_model(task),
            spec.build_optimiser(),
            spec.build_gradient_rule(),
            loss_of(spec.loss),
            loss_gradient_of(spec.loss),
            examples,
            examples.take(train_index),
            train_index,
            test_index,
            true_labels,
            corrupted_index,
            place,
        )

    @cached_property
    def initial_params(self) -> Params:
        """The parameters before the first update; wider weights are the float32 draw, widened."""
        drawn = initial_params(self.model.tensors(), self.spec.init, self.spec.seeds.init)
        scale = self.spec.init_scale
        return {k: v.to(self.device, DTYPES[self.spec.precision]) * scale for k, v in drawn.items()}

    def with_initial(self, params: Params) -> Setup:
        """The same with other initial parameters, such as those that `torch.vmap` stands in for."""
        made = replace(self)
        vars(made)["initial_params"] = params
        return made

    def initial_state(self) -> TrainState:
        """The state before the first update."""
        params = self.initial_params
        return TrainState(0, params, self.optimiser.init(params), self.rule.init(params))


def _device(spec: RunSpec, device: str | None) -> torch.device:
    try:
        place = torch.device(device or spec.device)
    except RuntimeError:
        raise LatebloomError(f"expected a device such as cpu, cuda or cuda:1, got {device!r}") from None
    if place.type != spec.device:
        raise LatebloomError(f"the spec is for {spec.device}, the device asked for is {place}: set the spec's device")
    if place.type == "cuda" and not torch.cuda.is_available():
        raise LatebloomError("the spec is for cuda, and PyTorch finds no GPU here; use --device cpu")
    return place

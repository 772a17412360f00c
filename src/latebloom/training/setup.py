"""A spec made real: the task's examples, the split, the network and the optimiser, on one device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from latebloom.errors import LatebloomError
from latebloom.models import Model, initial_params
from latebloom.optim import Optimiser
from latebloom.spec import RunSpec
from latebloom.tasks import Examples, Task
from latebloom.training.losses import DTYPES
from latebloom.training.splits import split
from latebloom.training.state import TrainState


@dataclass(frozen=True, eq=False)
class Setup:
    """Everything that stays the same during a run.

    Attributes:
        examples: all examples of the task, in its order.
        train: the training examples, which share the distinct values of `examples`.
        train_index: where they stand in `examples`, ascending, shape (train).
        test_index: the others, ascending, shape (test).
    """

    spec: RunSpec
    task: Task
    model: Model
    optimiser: Optimiser
    examples: Examples
    train: Examples
    train_index: Int[Tensor, " train"]
    test_index: Int[Tensor, " test"]
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
        train_index, test_index = (index.to(place) for index in split(spec, len(examples)))
        return cls(
            spec,
            task,
            spec.build_model(task),
            spec.build_optimiser(),
            examples,
            examples.take(train_index),
            train_index,
            test_index,
            place,
        )

    def initial_state(self) -> TrainState:
        """The state before the first update; wider weights are the float32 draw, widened."""
        drawn = initial_params(self.model.tensors(), self.spec.init, self.spec.seeds.init)
        params = {k: v.to(self.device, DTYPES[self.spec.precision]) for k, v in drawn.items()}
        return TrainState(0, params, self.optimiser.init(params))


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

"""What the next update needs, and its form in a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from latebloom.axes import Params
from latebloom.optim import State


@dataclass(frozen=True, eq=False)
class TrainState:
    """A run after `step` updates. Random draws are functions of seeds and step, so no generator has to be kept.

    Attributes:
        optim: the optimiser's state.
        rule: the gradient rule's state.
        before: the state one update earlier, for measures of the update; None at the start and after a resumption.
    """

    step: int
    params: Params
    optim: State
    rule: State = field(default_factory=dict)
    before: TrainState | None = None

    def tensors(self) -> dict[str, Tensor]:
        """All tensors by path: `params/embed.W_E`, `optim/m/embed.W_E`, `optim/count`."""
        found = {f"params/{name}": tensor for name, tensor in self.params.items()}
        return found | _flat("optim", self.optim) | _flat("rule", self.rule)

    def replaced(self, step: int, tensors: dict[str, Tensor]) -> TrainState:
        """A state of the same structure with other tensors, on the same device.

        Raises:
            ValueError: a name, shape or precision differs from this state's.
        """
        here = self.tensors()
        for name in sorted(here.keys() | tensors.keys()):
            if name not in tensors or name not in here:
                raise ValueError(
                    f"expected the tensors of this spec, got one {'less' if name in here else 'more'}: {name}"
                )
            if tensors[name].shape != here[name].shape or tensors[name].dtype != here[name].dtype:
                raise ValueError(
                    f"{name}: expected {tuple(here[name].shape)} {here[name].dtype}, "
                    f"got {tuple(tensors[name].shape)} {tensors[name].dtype}"
                )
        return self.with_tensors(step, {name: tensor.to(here[name].device) for name, tensor in tensors.items()})

    def with_tensors(self, step: int, tensors: dict[str, Tensor]) -> TrainState:
        """A state of the same structure with other tensors, whatever their shape."""
        params = {name: tensors[f"params/{name}"] for name in self.params}
        return TrainState(step, params, _like("optim", self.optim, tensors), _like("rule", self.rule, tensors))

    def finite(self) -> bool:
        """Whether every parameter is a finite number."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.params.values())


def _flat(prefix: str, state: State) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            found[f"{prefix}/{name}"] = value
        else:
            found |= {f"{prefix}/{name}/{key}": tensor for key, tensor in value.items()}
    return found


def _like(prefix: str, state: State, tensors: dict[str, Tensor]) -> State:
    return {
        name: tensors[f"{prefix}/{name}"]
        if isinstance(value, Tensor)
        else {key: tensors[f"{prefix}/{name}/{key}"] for key in value}
        for name, value in state.items()
    }

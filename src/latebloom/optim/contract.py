"""What an optimiser is: two pure functions, with hyperparameters passed as data."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from latebloom.axes import Grads, Params

Hyper = dict[str, Tensor]
"""Hyperparameters as scalars (float64), so that the members of an ensemble may differ in every one."""

State = dict[str, Any]
"""What the next update needs: tensors and dictionaries of tensors by parameter name."""


@runtime_checkable
class Optimiser(Protocol):
    """A frozen dataclass whose fields are the hyperparameters' values; `update` uses only those it is passed."""

    def init(self, params: Params) -> State:
        """The state before the first update."""
        ...

    def update(self, grads: Grads, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
        """New parameters and state; the old ones are left as they were."""
        ...

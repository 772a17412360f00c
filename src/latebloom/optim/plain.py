"""The gradient as it is."""

from __future__ import annotations

from dataclasses import dataclass

from latebloom.axes import Grads, Params
from latebloom.optim.contract import Gradient, Hyper, State


@dataclass(frozen=True)
class Plain:
    """The gradient as it is.

    Formula: ĝ = ∇L
    Size: nothing is kept
    Source: Cauchy 1847
    """

    def init(self, params: Params) -> State:
        """Nothing to remember."""
        return {}

    def direction(self, gradient: Gradient, state: State, params: Params, hyper: Hyper) -> tuple[Grads, State]:
        """∇L."""
        return gradient(params), state

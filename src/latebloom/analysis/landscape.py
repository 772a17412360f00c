"""The loss around a stored network: along two random directions, or in the plane that its path mostly lies in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from latebloom.analysis.trajectory import components, trajectory
from latebloom.axes import Params
from latebloom.measures.probe import Probe
from latebloom.models import Model, keyed_generator

if TYPE_CHECKING:
    from latebloom.store import Run

Plane = tuple[Params, Params]
"""Two directions in the space of all weights."""

UNCHANGED = ("bias", "gain", "shift")


@dataclass(frozen=True, eq=False)
class Landscape:
    """Losses on a grid of a plane through the network.

    Attributes:
        x: distances along the first direction, shape (column).
        y: along the second, shape (row).
        train: mean loss of the training examples, nats, shape (row, column).
        test: of all others; NaN where there are none.
    """

    x: np.ndarray
    y: np.ndarray
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Path:
    """Where checkpoints lie in the plane of their two principal components, from the newest one on.

    Attributes:
        steps: of the checkpoints.
        places: shape (step, 2), in units of the weights.
        shares: of the variance, of each of the two.
        plane: the components, each of norm 1.
    """

    steps: list[int]
    places: np.ndarray
    shares: tuple[float, float]
    plane: Plane


def random_plane(model: Model, params: Params, seed: int = 0) -> Plane:
    """Two Gaussian directions, each filter scaled to the norm of the network's own.

    A filter is what feeds one unit: the weights into one output of a matrix (of Q, K and V in each head), and the row
    of one token or position. Biases and normalisations are left as they are.

    Source: Li et al. 2018 (arXiv 1712.09913), §4, and their code; there `Linear` and `Embedding` weights are scaled
    by rows of PyTorch's layout, which are the same filters.
    """
    weights = model.tensors()
    plane: list[Params] = []
    for axis in ("x", "y"):
        drawn: Params = {}
        for name, weight in params.items():
            if weights[name].role in UNCHANGED:
                drawn[name] = torch.zeros_like(weight)
                continue
            generator = keyed_generator(seed, f"landscape/{axis}/{name}")
            direction = torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight.dtype)
            along = _inputs(weights[name].role, name, weight)
            scale = weight.norm(dim=along, keepdim=True) / direction.norm(dim=along, keepdim=True)
            drawn[name] = direction * scale
        plane.append(drawn)
    return plane[0], plane[1]


def _inputs(role: str, name: str, weight: Tensor) -> tuple[int, ...]:
    """The axes of a tensor that run over the weights of one filter."""
    if role in ("embedding", "position"):
        return (weight.dim() - 1,)
    if weight.dim() == 3 and not name.endswith("W_O"):
        return (1,)
    return tuple(range(weight.dim() - 1))


def path(run: Run) -> Path:
    """The principal plane of a run's checkpoints, and where each of them lies in it; biases and all.

    Source: Li et al. 2018 (arXiv 1712.09913), §7, who take the components about the path's mean too.

    Raises:
        LatebloomError: there are fewer than three checkpoints.
    """
    found = trajectory(run)
    parts = components(found, keep=2)
    norms = np.linalg.norm(parts.projections, axis=0)
    # a component is the sum of all checkpoints, each as far along it as its projection says
    weights = torch.from_numpy(parts.projections / np.where(norms > 0, norms, 1) ** 2)
    plane: list[Params] = [{}, {}]
    for step, row in zip(found.steps, weights, strict=True):
        for name, tensor in run.params(step).items():
            for direction, share in zip(plane, row.tolist(), strict=True):
                part = share * tensor.double()
                direction[name] = direction[name] + part if name in direction else part
    places = parts.projections - parts.projections[-1]
    return Path(found.steps, places, (float(parts.shares[0]), float(parts.shares[1])), (plane[0], plane[1]))


@torch.no_grad()
def landscape(
    probe: Probe, plane: Plane, x: np.ndarray, y: np.ndarray, tell: Callable[[int, int], None] = lambda done, of: None
) -> Landscape:
    """The losses of the networks θ + x·d₁ + y·d₂.

    Args:
        probe: the network θ.
        plane: d₁ and d₂.
        x: shape (column).
        y: shape (row).
        tell: called after every row with the rows done and their number.
    """
    subject = probe.subject
    losses = np.full((2, len(y), len(x)), np.nan)
    for i, up in enumerate(y.tolist()):
        for j, across in enumerate(x.tolist()):
            moved = {
                name: (weight.double() + across * plane[0][name].double() + up * plane[1][name].double()).to(
                    weight.dtype
                )
                for name, weight in probe.params.items()
            }
            found = Probe(subject, moved).losses
            for part, index in enumerate((subject.train_index, subject.test_index)):
                if len(index):
                    losses[part, i, j] = float(found[index].mean())
        tell(i + 1, len(y))
    return Landscape(x, y, losses[0], losses[1])


def _moved(params: Params, plane: Plane, across: float, up: float) -> Params:
    return {
        name: (weight.double() + across * plane[0][name].double() + up * plane[1][name].double()).to(weight.dtype)
        for name, weight in params.items()
    }

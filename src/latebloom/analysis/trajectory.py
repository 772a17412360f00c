"""The path of the weights: principal components of stored checkpoints, over a whole run or in windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latebloom.errors import LatebloomError
from latebloom.shown import finding_table
from latebloom.store import Run

BLOCK_BYTES = 2**28
"""How much memory two blocks of checkpoints may take together."""
FEWEST = 3


@dataclass(frozen=True)
class Trajectory:
    """What is needed of a run's checkpoints to take any window's principal components.

    Attributes:
        steps: of the checkpoints, ascending.
        gram: inner products of the weights less those of the first checkpoint, float64, shape (step, step).
        tensors: the names of the parameters that were taken.
    """

    steps: list[int]
    gram: np.ndarray
    tensors: tuple[str, ...]


@dataclass(frozen=True)
class Components:
    """The principal components of the weights at some checkpoints.

    Attributes:
        steps: of the checkpoints.
        shares: each component's share of the variance, descending, shape (component).
        projections: the checkpoints along each component, in units of the weights, shape (step, component); a
            component's sign is such that the last checkpoint's projection is not negative.
        walk_share: the first share of a random walk in very many dimensions with the same distances between
            neighbours; a path is low-dimensional only as far as `shares[0]` is above it. Long walks of equal steps
            have 6/π² = 0.61 (Antognini & Sohl-Dickstein 2018, arXiv 1806.08805).
    """

    steps: list[int]
    shares: np.ndarray
    projections: np.ndarray
    walk_share: float

    _repr_html_ = finding_table

    @property
    def first_share(self) -> float:
        """The share of the first component, the "PC1 share" of Xu 2026 (arXiv 2602.16746)."""
        return float(self.shares[0])


def trajectory(run: Run, tensors: Sequence[str] = (), start: int = 0, end: int | None = None) -> Trajectory:
    """Reads a run's checkpoints and takes the inner products of their weights, a block against a block.

    Args:
        run: the run.
        tensors: names of parameters, or beginnings of them (`blocks.0.attn.W_`); all of them by default. Xu 2026
            takes each attention matrix alone.
        start: the first step to take.
        end: the last step to take; None is the last there is.

    Raises:
        LatebloomError: there are fewer than three checkpoints, or no tensor of such a name.
    """
    steps = [step for step in run.checkpoints if start <= step and (end is None or step <= end)]
    if len(steps) < FEWEST:
        raise LatebloomError(
            f"expected at least {FEWEST} checkpoints between steps {start} and {'the end' if end is None else end} of "
            f"{run.folder}, got {len(steps)}; take a wider range, or train with a smaller checkpoints.every"
        )
    first = run.params(steps[0])
    names = _chosen(list(first), tensors)
    origin = _vector(first, names)
    height = max(1, BLOCK_BYTES // (2 * 8 * len(origin)))
    blocks = [steps[i : i + height] for i in range(0, len(steps), height)]
    gram = np.zeros((len(steps), len(steps)))
    for i in range(len(blocks)):
        rows = _block(run, blocks[i], names, origin)
        for j in range(i, len(blocks)):
            columns = rows if j == i else _block(run, blocks[j], names, origin)
            here = slice(i * height, i * height + len(rows)), slice(j * height, j * height + len(columns))
            gram[here] = (rows @ columns.T).numpy()
            gram[here[::-1]] = gram[here].T
    return Trajectory(steps, gram, names)


def _chosen(there: list[str], wanted: Sequence[str]) -> tuple[str, ...]:
    for name in wanted:
        if not any(tensor.startswith(name) for tensor in there):
            raise LatebloomError(f"expected a tensor, or the beginning of one, of {', '.join(there)}; got {name!r}")
    return tuple(tensor for tensor in there if not wanted or tensor.startswith(tuple(wanted)))


def _vector(params: dict[str, Tensor], names: Sequence[str]) -> Tensor:
    return torch.cat([params[name].flatten().double() for name in names])


def _block(run: Run, steps: list[int], names: Sequence[str], origin: Tensor) -> Tensor:
    # from the first checkpoint, so that what is subtracted later is small against what is kept
    return torch.stack([_vector(run.params(step), names) - origin for step in steps])


def components(path: Trajectory, first: int = 0, last: int | None = None, keep: int = 10) -> Components:
    """Principal components of some checkpoints in a row, from their inner products alone.

    Args:
        path: the trajectory.
        first: the number of the first checkpoint to take.
        last: the number after that of the last one; None takes all.
        keep: how many components to project on.

    Raises:
        LatebloomError: fewer than three checkpoints are left.
    """
    gram, steps = path.gram[first:last, first:last], path.steps[first:last]
    if len(steps) < FEWEST:
        raise LatebloomError(f"expected a window of at least {FEWEST} checkpoints, got {len(steps)}")
    values, vectors = np.linalg.eigh(_centred(gram))
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    total = values.sum()
    shares = values / total if total > 0 else np.full(len(values), np.nan)
    projections = vectors[:, :keep] * np.sqrt(values[:keep])
    projections = projections * np.where(projections[-1] < 0, -1.0, 1.0)
    squares = np.diag(gram)
    moves = squares[1:] + squares[:-1] - 2 * np.diag(gram, 1)
    return Components(steps, shares[: len(steps) - 1], projections, walk_share(moves.clip(min=0)))


def windows(path: Trajectory, width: int) -> list[Components]:
    """The principal components of every `width` checkpoints in a row.

    Raises:
        LatebloomError: the width is below three, or there are not as many checkpoints.
    """
    if not FEWEST <= width <= len(path.steps):
        raise LatebloomError(
            f"expected a window of {FEWEST} to {len(path.steps)} checkpoints, as many as there are, got {width}"
        )
    return [components(path, i, i + width) for i in range(len(path.steps) - width + 1)]


def walk_share(squared_moves: np.ndarray) -> float:
    """The first component's share of a random walk with these squared step lengths, in the limit of many dimensions.

    There steps are at right angles, so that the inner product of two points is the squared length of the way they
    share: nothing has to be drawn. Xu 2026 draws ten walks instead. NaN for a path that does not move.
    """
    way = np.concatenate([[0.0], np.cumsum(squared_moves)])
    values = np.linalg.eigvalsh(_centred(np.minimum(way[:, None], way[None, :])))
    return float(values[-1] / values.sum()) if values.sum() > 0 else float("nan")


def _centred(gram: np.ndarray) -> np.ndarray:
    rows = gram - gram.mean(axis=0)
    return rows - rows.mean(axis=1, keepdims=True)

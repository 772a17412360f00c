"""How unequal the weights are, threshold-free and by threshold, from one sort of all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from latebloom.measures.probe import Probe
from latebloom.measures.record import Measure, Record, Values, labelled

OVER = "entries of all tensors with at least two axes together (biases and gains left out)"
HURLEY = "Hurley & Rickard 2009 (arXiv 0811.4706)"
ABSOLUTE = {"weight_share_below_1e_3": 1e-3, "weight_share_below_1e_2": 1e-2}
RELATIVE = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Thresholds in units of the root mean square of the weights."""
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)

RECORDS = (
    Record(
        "gini_raw_weights",
        "Gini of raw |w|",
        "Σ_i (2i − n − 1) x_(i) / (n Σ_i x_i), x = |w| in ascending order, i = 1 … n",
        "1",
        f"{OVER}; float64",
        f"{HURLEY}, eq. for sorted values",
        disputes="not the Gini of Nanda et al. 2023, which is taken over Fourier norms of W_E and W_L",
    ),
    Record(
        "hoyer_raw_weights",
        "Hoyer sparsity of raw |w|",
        "(√n − Σ|w| / √Σw²) / (√n − 1)",
        "1",
        f"{OVER}; 0 when all are equal, 1 when one holds everything; float64",
        f"Hoyer 2004 (JMLR 5:1457); {HURLEY}",
        disputes="weights drawn from a normal distribution have 1 − √(2/π) = 0.20: compare with the value at step 0",
    ),
    Record(
        "weight_share_below_1e_3",
        "Share of |w| < 0.001",
        "share of weights with |w| < 0.001",
        "share",
        f"{OVER}; strictly below, in the precision of the weights",
        'founding analysis "cleanup phase" (its sparsity: over its `weight` tensors)',
        disputes="rises under any shrinkage: weights that all shrink alike cross a fixed threshold too; "
        "read it beside weight_share_below_rms",
    ),
    Record(
        "weight_share_below_1e_2",
        "Share of |w| < 0.01",
        "share of weights with |w| < 0.01",
        "share",
        f"{OVER}; strictly below, in the precision of the weights",
        'founding analysis "extended analysis" (repository AgentTorch/psi, sparsity_analysis.py: over its `weight` '
        "tensors)",
        disputes="rises under any shrinkage: weights that all shrink alike cross a fixed threshold too; "
        "read it beside weight_share_below_rms",
    ),
    Record(
        "weight_share_below_rms",
        "Share of small |w|, relative",
        "share of weights with |w| < t · √(Σw²/n), for several t",
        "share",
        f"{OVER}; unchanged when all weights are multiplied by one number; float64",
        "threshold-free companion of weight_share_below_1e_3 and _1e_2, defined here",
        axes=("rms_threshold",),
    ),
    Record(
        "weight_quantile_by_mean",
        "Quantiles of |w| over its mean",
        "q-quantile of |w| divided by the mean of |w|, for several q",
        "1",
        f"{OVER}; linear interpolation between order statistics (Hyndman & Fan, type 7); float64; constant in time "
        "if and only if the shrinkage is uniform",
        "rescaled distribution, defined here to decide whether shrinkage is uniform",
        axes=("quantile",),
    ),
    Record(
        "absolute_weight_entropy",
        "Absolute weight entropy",
        "−Σ |w| ln |w|, 0 ln 0 = 0",
        "nats",
        f"{OVER}; not divided by Σ|w|; logarithm in the precision of the weights, sum in float64",
        "Golechha 2024 (arXiv 2405.12755)",
        disputes="no entropy of a distribution: |w| is not normalised, so that it follows the weight norm (it is "
        "negative where |w| > 1); which tensors it runs over is not stated there",
    ),
)


@dataclass(frozen=True, eq=False)
class Magnitudes:
    """Absolute values in ascending order; every statistic of them is read off this one sort.

    Attributes:
        ascending: |x| in the precision that they came in, shape (n), n ≥ 1.
    """

    ascending: NDArray[Any]

    @classmethod
    def of(cls, tensors: Iterable[Tensor]) -> Magnitudes:
        """The entries of some tensors together.

        Raises:
            RuntimeError: there are no tensors.
        """
        entries = torch.cat([tensor.detach().abs().flatten() for tensor in tensors])
        # NumPy's sort is several times faster than torch's here, and the order is the same in the values' own precision
        return cls(np.sort(entries.cpu().numpy()))

    @cached_property
    def _exact(self) -> NDArray[np.float64]:
        return self.ascending.astype(np.float64)

    @cached_property
    def total(self) -> float:
        """Σ|x|, float64."""
        return float(self._exact.sum())

    @cached_property
    def root_sum_square(self) -> float:
        """√Σx², float64; entries are scaled by the greatest, so that nothing underflows."""
        greatest = float(self._exact[-1])
        return greatest * float(np.sqrt(np.square(self._exact / greatest).sum())) if greatest > 0 else greatest

    @property
    def gini(self) -> float:
        """The Gini index: 0 when all are equal, 1 − 1/n when one holds everything; NaN when all are 0."""
        n = len(self._exact)
        # no product by BLAS, whose threads would wait for each other here
        weighted = (np.arange(1 - n, n, 2, dtype=np.float64) * self._exact).sum()
        return _ratio(float(weighted), n * self.total)

    @property
    def hoyer(self) -> float:
        """Hoyer's sparsity: 0 when all are equal, 1 when one holds everything; NaN when all are 0 or n = 1."""
        root = float(np.sqrt(len(self._exact)))
        return _ratio(root - _ratio(self.total, self.root_sum_square), root - 1)

    def share_below(self, threshold: float) -> float:
        """The share of entries strictly below a threshold, which is rounded to the entries' precision."""
        bound = self.ascending.dtype.type(threshold)
        return float(np.searchsorted(self.ascending, bound, side="left")) / len(self.ascending)

    def shares_below_rms(self, thresholds: Iterable[float]) -> list[float]:
        """The share of entries strictly below each multiple of the root mean square; NaN when all are 0."""
        n, rms = len(self._exact), self.root_sum_square / float(np.sqrt(len(self._exact)))
        if not rms > 0:
            return [float("nan") for _ in thresholds]
        return [float(np.searchsorted(self._exact, t * rms, side="left")) / n for t in thresholds]

    def quantiles_by_mean(self, quantiles: Iterable[float]) -> list[float]:
        """Quantiles over the mean, linear between order statistics; NaN when all are 0."""
        x, n = self._exact, len(self._exact)
        places = np.array(list(quantiles)) * (n - 1)
        low = places.astype(int)
        found = x[low] + (places - low) * (x[np.minimum(low + 1, n - 1)] - x[low])
        return [_ratio(float(value) * n, self.total) for value in found]

    @property
    def absolute_entropy(self) -> float:
        """−Σ x ln x with 0 ln 0 = 0."""
        positive = self.ascending[np.searchsorted(self.ascending, 0, side="right") :]
        return -float((positive * np.log(positive)).sum(dtype=np.float64))


def _ratio(upper: float, lower: float) -> float:
    """The quotient, NaN over 0."""
    return upper / lower if lower else float("nan")


def gini(values: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """The Gini index of non-negative values: 0 when all are equal, 1 − 1/n when one holds everything.

    Returns NaN when all are 0. Source: Hurley & Rickard 2009, arXiv 0811.4706.

    >>> float(gini(torch.tensor([0.0, 0.0, 0.0, 1.0])))
    0.75
    """
    return torch.tensor(Magnitudes.of([values]).gini, dtype=torch.float64)


def hoyer(values: Float[Tensor, " n"]) -> Float[Tensor, ""]:
    """Hoyer's sparsity (√n − ‖x‖₁/‖x‖₂)/(√n − 1): 0 when all are equal, 1 when one holds everything.

    Returns NaN when all are 0, and for a single value. Source: Hoyer 2004, JMLR 5:1457.

    >>> float(hoyer(torch.tensor([0.0, 0.0, -2.0, 0.0])))
    1.0
    """
    return torch.tensor(Magnitudes.of([values]).hoyer, dtype=torch.float64)


def _compute(probe: Probe) -> Values:
    found = Magnitudes.of(tensor for tensor in probe.params.values() if tensor.dim() >= 2)
    relative = torch.tensor(found.shares_below_rms(RELATIVE), dtype=torch.float64)
    rescaled = torch.tensor(found.quantiles_by_mean(QUANTILES), dtype=torch.float64)
    return {
        "gini_raw_weights": found.gini,
        "hoyer_raw_weights": found.hoyer,
        **{name: found.share_below(threshold) for name, threshold in ABSOLUTE.items()},
        "weight_share_below_rms": labelled(relative, {"rms_threshold": list(RELATIVE)}),
        "weight_quantile_by_mean": labelled(rescaled, {"quantile": list(QUANTILES)}),
        "absolute_weight_entropy": found.absolute_entropy,
    }


SPARSITY = Measure(
    "sparsity",
    "How unequal the weights are, and how many are small.",
    RECORDS,
    _compute,
    lambda subject: "" if any(len(w.shape) > 1 for w in subject.model.tensors().values()) else "there are no matrices",
    level="light",
    cost=0.25,
    several=True,
)

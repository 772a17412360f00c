"""How the gradients of single examples differ: their covariance's spectrum, and its size against the mean gradient."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.axes import Params
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values
from latebloom.models import Model, keyed_generator
from latebloom.tasks import Examples

EXAMPLES, TOP = 128, 10
SAMPLE = (
    f"{EXAMPLES} training examples (all, where there are fewer), drawn without replacement by a fixed key, so the same "
    "at every step; training loss of each example alone, decay left out; every parameter as one vector; float64"
)
COVARIANCE = "Σ = the examples' gradient covariance, from the m × m Gram matrix of gradients less their mean: rank < m"
ROY = "effective rank as defined by Roy & Vetterli 2007 (EUSIPCO)"

RECORDS = (
    Record(
        "gradient_effective_rank",
        "Effective rank of the gradient covariance",
        "exp(−Σ_i q_i log q_i), q_i = λ_i(Σ) / tr Σ",
        "1",
        f"{SAMPLE}; {COVARIANCE}",
        ROY,
        disputes="entropy form; gradient_participation_ratio is the other usual one. Both grow with the sample: "
        "compare steps and runs at the same number of examples alone",
    ),
    Record(
        "gradient_participation_ratio",
        "Participation ratio of the gradient covariance",
        "(tr Σ)² / tr Σ²",
        "1",
        f"{SAMPLE}; {COVARIANCE}",
        "the usual inverse participation ratio of a spectrum, as in Gao et al. 2017 (bioRxiv 214262)",
    ),
    Record(
        "gradient_top_share",
        f"Gradient variance in the top {TOP} directions",
        f"Σ_(i ≤ {TOP}) λ_i(Σ) / tr Σ",
        "share",
        f"{SAMPLE}; {COVARIANCE}",
        "as asked of gradient subspaces by Gur-Ari et al. 2018 (arXiv 1812.04754), there for the Hessian's top space",
    ),
    Record(
        "gradient_noise_scale",
        "Gradient noise scale",
        "B_simple = tr Σ / ‖G‖²",
        "examples",
        f"tr Σ unbiased (divided by m − 1) from the sample: {SAMPLE}; G is the gradient of all training examples, "
        "exact, so nothing has to be subtracted from ‖G‖²",
        "McCandlish et al. 2018 (arXiv 1812.06162)",
        disputes="their appendix A.1 estimates ‖G‖² from batches, which can be negative; here the whole set is at hand",
    ),
)


def example_outputs(model: Model, params: Params, examples: Examples) -> Iterator[Float[Tensor, "1 class"]]:
    """The logits of each example by a forward pass of its own, to be differentiated by example.

    One pass an example (`model.apply`) asks nothing of a model but that it can be differentiated, and at these sizes
    is as fast as a vectorised one.

    Args:
        model: the network.
        params: leaves that require gradients.
        examples: those to take.
    """
    for tokens in examples.tokens:
        with torch.enable_grad():
            yield model.apply(params, tokens[None])[0]


def gradient_rows(scalars: Iterable[Tensor], params: Params, again: bool = False) -> Float[Tensor, "batch parameter"]:
    """The gradient of each scalar in all parameters, one row a scalar, in the precision of the parameters.

    Args:
        scalars: functions of `params`; an iterator lets go of each one's graph before the next.
        params: leaves that require gradients.
        again: whether the scalars' graphs will be gone through again.
    """
    wanted, rows = list(params.values()), []
    for scalar in scalars:
        grads = torch.autograd.grad(scalar, wanted, retain_graph=again, materialize_grads=True)
        rows.append(torch.cat([grad.flatten() for grad in grads]))
    return torch.stack(rows)


@dataclass(frozen=True)
class Spectrum:
    """What the spectrum of a covariance says; NaN where every gradient is the same.

    Attributes:
        trace: the unbiased total variance.
        effective_rank: exp of the entropy of the eigenvalues' shares.
        participation_ratio: (tr Σ)² / tr Σ².
        top_share: the share of the greatest `TOP` eigenvalues.
    """

    trace: float
    effective_rank: float
    participation_ratio: float
    top_share: float


def covariance_spectrum(gradients: Float[Tensor, "batch parameter"], top: int = TOP) -> Spectrum:
    """The spectrum of the gradients' covariance, through the Gram matrix of the centred gradients (m × m).

    Args:
        gradients: one row an example, at least 2.
        top: how many of the greatest eigenvalues `top_share` counts.
    """
    centred = gradients.double() - gradients.double().mean(0)
    gram = centred @ centred.T
    eigenvalues = torch.linalg.eigvalsh(gram).clamp(min=0).flip(0)
    total = eigenvalues.sum()
    if not total > 0:
        return Spectrum(0.0, math.nan, math.nan, math.nan)
    shares = eigenvalues / total
    return Spectrum(
        trace=float(gram.trace()) / (len(gradients) - 1),
        effective_rank=math.exp(float(torch.special.entr(shares).sum())),
        participation_ratio=1 / float(shares.square().sum()),
        top_share=float(shares[:top].sum()),
    )


def in_float64(params: Params) -> Params:
    """The same parameters, widened, as leaves that require gradients."""
    return {name: tensor.detach().clone().double().requires_grad_() for name, tensor in params.items()}


def sample_of(examples: Examples, size: int, key: str) -> Examples:
    """`size` examples (or all) drawn without replacement by a key, in ascending order."""
    drawn = torch.randperm(len(examples), generator=keyed_generator(0, key))[:size].sort().values
    return examples.take(drawn.to(examples.labels.device))


def _compute(probe: Probe) -> Values:
    subject, params = probe.subject, in_float64(probe.params)
    found = covariance_spectrum(_sample_gradients(subject, params))
    with torch.enable_grad():
        whole = gradient_rows([probe.loss(params, subject.train)], params)
    norm_squared = float(whole.square().sum())
    return {
        "gradient_effective_rank": found.effective_rank,
        "gradient_participation_ratio": found.participation_ratio,
        "gradient_top_share": found.top_share,
        "gradient_noise_scale": found.trace / norm_squared if norm_squared > 0 else math.nan,
    }


def _sample_gradients(subject: Subject, params: Params) -> Float[Tensor, "batch parameter"]:
    assert subject.loss is not None  # `missing` says so otherwise
    sample = sample_of(subject.train, EXAMPLES, "gradient noise")
    outputs = zip(example_outputs(subject.model, params, sample), sample.labels, strict=True)
    with torch.enable_grad():
        return gradient_rows((subject.loss(logits, label[None]) for logits, label in outputs), params)


def _missing(subject: Subject) -> str:
    if subject.loss is None:
        return "the training loss is not known"
    return "" if len(subject.train_index) > 2 else "there are fewer than 3 training examples"


GRADIENT_NOISE = Measure(
    "gradient-noise",
    "How the gradients of single examples differ: their covariance's spectrum, and its size against the mean.",
    RECORDS,
    _compute,
    _missing,
    level="all",
    cost=28.0,
)

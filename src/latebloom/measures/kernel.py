"""The empirical neural tangent kernel: how well it fits the labels, and how far it has moved since the start."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Params
from latebloom.measures.gradient_noise import example_outputs, gradient_rows, in_float64
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values
from latebloom.models import Model, keyed_generator
from latebloom.tasks import Examples

CLASSES, EACH, DIRECTIONS = 6, 6, 8
SAMPLE = (
    f"up to {CLASSES * EACH} training examples: {CLASSES} answers drawn by a fixed key among those trained on at least "
    f"twice, up to {EACH} examples of each (drawn uniformly, hardly two examples would share their answer), the same "
    f"at every step; trace kernel K_ij = Σ_c ⟨∂z_c(i)/∂θ, ∂z_c(j)/∂θ⟩ over every logit, its sum over classes estimated "
    f"without bias along {DIRECTIONS} fixed orthogonal directions (exact for {DIRECTIONS} logits or fewer); float64"
)

RECORDS = (
    Record(
        "kernel_alignment",
        "Kernel alignment",
        "⟨K, YYᵀ⟩_F / (‖K‖_F ‖YYᵀ‖_F), Y the one-hot labels less their mean over the sample",
        "1",
        f"K as it is, labels centred; {SAMPLE}",
        "Kumar et al. 2023 (arXiv 2310.06110), yᵀKy / (‖K‖_F ‖y‖²), which this is for a single output; "
        "several outputs as in Cristianini et al. 2001",
        disputes="a kernel with a constant part scores low: see kernel_alignment_centred",
        better="higher",
    ),
    Record(
        "kernel_alignment_centred",
        "Kernel alignment, centred (CKA)",
        "⟨HKH, YYᵀ⟩_F / (‖HKH‖_F ‖YYᵀ‖_F), H = 1 − 11ᵀ/m",
        "1",
        f"kernel and labels centred; {SAMPLE}",
        "Cortes et al. 2012 (JMLR 13, arXiv 1203.0550)",
        better="higher",
    ),
    Record(
        "kernel_drift",
        "Kernel drift since the start",
        "‖K_t − K_0‖_F / ‖K_0‖_F",
        "1",
        f"K_0 at the parameters before the first update; {SAMPLE}",
        "Kumar et al. 2023 (arXiv 2310.06110)",
        disputes="grows with the kernel's scale alone: kernel_distance does not",
    ),
    Record(
        "kernel_distance",
        "Kernel distance from the start",
        "1 − ⟨K_t, K_0⟩_F / (‖K_t‖_F ‖K_0‖_F)",
        "1",
        f"free of scale; {SAMPLE}",
        "Fort et al. 2020 (arXiv 2010.15110)",
    ),
)


def output_directions(classes: int, directions: int, key: str = "kernel") -> Float[Tensor, "direction class"]:
    """Rows v_s of a random orthogonal matrix times √(C/S), so that E[Σ_s v_s v_sᵀ] = 1, and exactly 1 for S = C.

    Along them Σ_s (v_s·J_i)(v_s·J_j) estimates the trace kernel Σ_c J_ic·J_jc without bias.
    """
    kept = min(directions, classes)
    square = torch.randn(classes, classes, dtype=torch.float64, generator=keyed_generator(0, key))
    q, r = torch.linalg.qr(square)
    # the sign of r's diagonal makes q uniform over the orthogonal group (Mezzadri 2007)
    return (q * r.diagonal().sign()).T[:kept] * math.sqrt(classes / kept)


def tangent_kernel(
    model: Model, params: Params, examples: Examples, directions: Float[Tensor, "direction class"]
) -> Float[Tensor, "batch batch"]:
    """K_ij = Σ_s ⟨∂(v_s·z(i))/∂θ, ∂(v_s·z(j))/∂θ⟩ over the given directions of logits; float64.

    With the identity as directions it is the trace kernel. Memory: one gradient an example.
    Source: Jacot et al. 2018 (arXiv 1806.07572).
    """
    kernel = torch.zeros(len(examples), len(examples), dtype=torch.float64, device=examples.labels.device)
    wide = in_float64(params)
    outputs = list(example_outputs(model, wide, examples))
    for direction in directions.to(examples.labels.device):
        with torch.enable_grad():
            rows = gradient_rows(((logits @ direction).sum() for logits in outputs), wide, again=True)
        kernel += rows @ rows.T
    return kernel


def alignment(kernel: Float[Tensor, "batch batch"], labels: Int[Tensor, " batch"], centred: bool) -> float:
    """The cosine between a kernel and the Gram matrix of the centred one-hot labels; NaN where one of them is 0.

    Args:
        kernel: symmetric.
        labels: the answer of each example.
        centred: whether the kernel is centred too (Cortes et al. 2012).
    """
    same = (labels[:, None] == labels[None, :]).to(kernel.dtype)
    return cosine(_centre(kernel) if centred else kernel, _centre(same))


def cosine(a: Tensor, b: Tensor) -> float:
    """⟨a, b⟩_F / (‖a‖_F ‖b‖_F); NaN where one is 0."""
    scale = float(a.norm()) * float(b.norm())
    return float((a * b).sum()) / scale if scale > 0 else math.nan


def _centre(matrix: Tensor) -> Tensor:
    rows = matrix - matrix.mean(0)
    return rows - rows.mean(1, keepdim=True)


def balanced_sample(examples: Examples, classes: int = CLASSES, each: int = EACH) -> Examples:
    """Up to `each` examples of each of `classes` answers that occur at least twice, drawn by a fixed key."""
    order = torch.randperm(len(examples), generator=keyed_generator(0, "kernel/examples"))
    labels = examples.labels.cpu()[order]
    often = [label for label, count in zip(*labels.unique(return_counts=True), strict=True) if count >= 2]
    chosen = torch.randperm(len(often), generator=keyed_generator(0, "kernel/classes"))[:classes]
    parts = [order[labels == often[int(i)]][:each] for i in chosen]
    return examples.take(torch.cat(parts).sort().values.to(examples.labels.device))


def subject_kernel(subject: Subject, params: Params) -> Float[Tensor, "batch batch"]:
    """The kernel of some parameters on the subject's fixed sample and directions."""
    logits = subject.model.apply(params, subject.examples.tokens[:1])[0].shape[1]
    return tangent_kernel(subject.model, params, balanced_sample(subject.train), output_directions(logits, DIRECTIONS))


@lru_cache(maxsize=2)
def _initial_kernel(subject: Subject) -> Float[Tensor, "batch batch"] | None:
    return None if subject.initial is None else subject_kernel(subject, subject.initial)


def _compute(probe: Probe) -> Values:
    kernel = subject_kernel(probe.subject, probe.params)
    labels = balanced_sample(probe.subject.train).labels
    start = _initial_kernel(probe.subject)
    return {
        "kernel_alignment": alignment(kernel, labels, centred=False),
        "kernel_alignment_centred": alignment(kernel, labels, centred=True),
        "kernel_drift": math.nan if start is None else float((kernel - start).norm() / start.norm()),
        "kernel_distance": math.nan if start is None else 1 - cosine(kernel, start),
    }


def _missing(subject: Subject) -> str:
    if int((subject.train.labels.bincount() >= 2).sum()) < 2:
        return "fewer than two answers are trained on twice or more"
    return ""


KERNEL = Measure(
    "kernel",
    "How well the neural tangent kernel fits the labels, and how far it has moved since the start.",
    RECORDS,
    _compute,
    _missing,
    level="all",
    cost=45.0,
)

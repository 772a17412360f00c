"""How many neurons change sign close to an example (Humayun et al. 2024)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.axes import Params
from latebloom.measures.gradient_noise import sample_of
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values
from latebloom.models import Model, keyed_generator
from latebloom.tasks import Examples

POINTS, VERTICES, ABSOLUTE, RELATIVE = 64, 40, 0.005, 0.1
AROUND = (
    f"{POINTS} examples drawn by a fixed key; a point is the sequence of its tokens' embeddings (hook_embed, without "
    f"positions; one-hot codes where there is no embedding) as one vector; {VERTICES} vertices x ± r v_i along "
    f"{VERTICES // 2} fixed orthonormal directions, the same for every point and step; a neuron counts when its "
    "pre-activation at the last position has not the same sign at all vertices, in every layer by one forward pass; "
    "precision of the weights"
)
HUMAYUN = "Humayun et al. 2024 (arXiv 2402.15555) and their code"


def _record(part: str, word: str, suffix: str, radius: str, disputes: str) -> Record:
    return Record(
        f"local_complexity_{part}{suffix}",
        f"Local complexity, {word}{' (absolute radius)' if suffix else ''}",
        "mean over points of |{neurons whose sign differs among x ± r v_i}|",
        "neurons",
        f"{word} examples; r = {radius}; {AROUND}",
        HUMAYUN,
        disputes=disputes,
    )


RECORDS = tuple(
    _record(part, word, suffix, radius, disputes)
    for suffix, radius, disputes in (
        (
            "",
            f"{RELATIVE} of the points' root mean square norm",
            "they perturb images by an absolute radius; embeddings shrink and grow while they are trained, so the "
            "radius follows them here; the count depends on r: compare at one r alone",
        ),
        (
            "_absolute",
            f"{ABSOLUTE}",
            f"r = {ABSOLUTE} is theirs for normalised images; a fixed radius also measures the embedding's norm",
        ),
    )
    for part, word in (("train", "training"), ("test", "test"))
)


def orthonormal_directions(count: int, width: int, key: str = "local complexity") -> Float[Tensor, "direction width"]:
    """Random orthonormal rows by a fixed key, at most `width` of them; float64."""
    drawn = torch.randn(width, min(count, width), dtype=torch.float64, generator=keyed_generator(0, key))
    return torch.linalg.qr(drawn).Q.T


def sign_changes(pre: Float[Tensor, "point vertex neuron"]) -> Float[Tensor, " point"]:
    """The number of neurons whose sign (−, 0 or +) is not the same at all vertices, of each point."""
    signs = pre.sign()
    return (signs != signs[:, :1]).any(dim=1).sum(dim=1).double()


def local_complexity(
    model: Model, params: Params, examples: Examples, directions: Float[Tensor, "direction flat"], radius: float
) -> Float[Tensor, " point"]:
    """Neurons that change sign over the cross-polytope of `radius` around each example, summed over layers.

    Deeper layers see the images of the vertices alone, as in the authors' approximation. NaN where the network has no
    `hook_embed` or no `mlp.hook_pre`.

    Args:
        model: the network, run by `apply`.
        params: its parameters.
        examples: the points.
        directions: orthonormal rows over positions × width.
        radius: the distance of the vertices.
    """
    offsets = radius * torch.cat([directions, -directions])
    vertices, moved = len(offsets), []

    def move(name: str, tensor: Tensor) -> Tensor:
        if name != "hook_embed":
            return tensor
        moved.append(name)
        shift = offsets.to(tensor).view(vertices, *tensor.shape[1:])
        return tensor + shift.repeat(len(examples), *[1] * (tensor.dim() - 1))

    tokens = examples.tokens.repeat_interleave(vertices, dim=0)
    seen = model.apply(params, tokens, move)[1]
    layers = [pre[:, -1] if pre.dim() == 3 else pre for name, pre in seen.items() if name.endswith("mlp.hook_pre")]
    if not moved or not layers:
        return torch.full((len(examples),), math.nan, dtype=torch.float64)
    counts = [sign_changes(pre.view(len(examples), vertices, -1)) for pre in layers]
    return torch.stack(counts).sum(0)


def point_norm(model: Model, params: Params, examples: Examples) -> tuple[int, float]:
    """The size of a point (positions × width) and the points' root mean square norm; (1, NaN) without `hook_embed`."""
    points = model.apply(params, examples.tokens)[1].get("hook_embed")
    if points is None:
        return 1, math.nan
    flat = points.flatten(1).double()
    return flat.shape[1], float(flat.square().sum(1).mean().sqrt())


def _compute(probe: Probe) -> Values:
    subject, values = probe.subject, {}
    sets = {"train": subject.train, "test": subject.examples.take(subject.test_index)}
    for part, examples in sets.items():
        points = sample_of(examples, POINTS, "local complexity")
        width, norm = point_norm(subject.model, probe.params, points)
        directions = orthonormal_directions(VERTICES // 2, width)
        for suffix, radius in (("", RELATIVE * norm), ("_absolute", ABSOLUTE)):
            counts = local_complexity(subject.model, probe.params, points, directions, radius)
            values[f"local_complexity_{part}{suffix}"] = float(counts.mean())
    return values


def _missing(subject: Subject) -> str:
    if not any(name.endswith("mlp.W_in") for name in subject.model.tensors()):
        return "the network has no MLP of known name (blocks.i.mlp.W_in)"
    return "" if len(subject.test_index) and len(subject.train_index) else "there are no test or no training examples"


LOCAL_COMPLEXITY = Measure(
    "local-complexity",
    "How many neurons change sign close to an example.",
    RECORDS,
    _compute,
    _missing,
    level="all",
    cost=10.0,
)

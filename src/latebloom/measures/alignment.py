"""How the gradient lies to the Hessian: cos(g, Hg), and whether it can be trusted.

cos(g, Hg) is 1 where the gradient is an eigenvector, and says nothing of which; the lengths ‖g‖, ‖Hg‖ and gᵀHg/‖g‖² go
with it. It does not change when the loss is multiplied by a number, unless an ε or rounding does: hence float64
throughout, no ε, and the published form (float32 with ε) under its own name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from latebloom.axes import Params
from latebloom.measures.curvature import Hessian, Loss, cast, criterion_of, flat, loss_of, missing, parts
from latebloom.measures.probe import Probe
from latebloom.measures.record import Measure, Record, Values, labelled
from latebloom.tasks import Examples

ORIGIN = "document “Cleanup Phase Analysis” (cos(grad, H@grad) of a ReLU MLP, p = 97)"
EXACT = "float64 from the parameters on, no ε"
KINKS = "at a kink of ReLU the Hessian of the piece where the parameters lie"
DISPUTE = (
    "its drop after grokking is called cleanup by its authors; by a later test of theirs a vanishing gradient, "
    "minibatch noise and float32: read it beside gradient_norm and alignment_published_valid"
)


@dataclass(frozen=True)
class Alignment:
    """A gradient against the Hessian's product with it; what would divide by 0 is NaN.

    Attributes:
        cosine: gᵀHg / (‖g‖ ‖Hg‖).
        gradient: ‖g‖.
        product: ‖Hg‖.
        curvature: gᵀHg / ‖g‖².
    """

    cosine: float
    gradient: float
    product: float
    curvature: float


def aligned(g: Float[Tensor, " entry"], hg: Float[Tensor, " entry"]) -> Alignment:
    """g and Hg compared in float64; each is scaled by its greatest entry first, so squares do not underflow."""
    (g, length, scale), (hg, reach, other) = _scaled(g), _scaled(hg)
    inner = float(g @ hg)
    cosine = inner / (length * reach) if length * reach else math.nan
    curvature = inner / (length * length) * (other / scale) if length else math.nan
    return Alignment(cosine, length * scale, reach * other, curvature)


def _scaled(vector: Tensor) -> tuple[Tensor, float, float]:
    """The vector over its greatest entry, the norm of that, and the entry (1 for a zero vector)."""
    wide = vector.double()
    scale = float(wide.abs().max()) if len(wide) else 0.0
    scale = scale if scale else 1.0
    wide = wide / scale
    return wide, float(wide.norm()), scale


def alignment_of(hessian: Hessian) -> Alignment:
    """cos(g, Hg) of a Hessian that is there already."""
    return aligned(hessian.gradient, hessian(hessian.gradient))


def alignment(params: Params, loss: Loss) -> Alignment:
    """cos(g, Hg) of a loss at some parameters, in their precision; dot products and norms in float64.

    >>> curved = lambda params: (params["w"] ** 2 * torch.tensor([1.0, 3.0])).sum() / 2
    >>> round(alignment({"w": torch.tensor([1.0, 1.0])}, curved).cosine, 4)
    0.9806
    """
    return alignment_of(Hessian(params, loss))


def decayed(hessian: Hessian, hg: Float[Tensor, " entry"], decay: float) -> Alignment:
    """The same for the loss plus ½λ‖θ‖²: gradient g + λθ, Hessian H + λ1; `hg` is H·g of the loss alone."""
    theta = flat(hessian.params).detach()
    g = hessian.gradient + decay * theta
    return aligned(g, hg + decay * hessian(theta) + decay * g)


def alignment_by_tensor(hessian: Hessian, hg: Float[Tensor, " entry"]) -> dict[str, Alignment]:
    """g_b against (Hg)_b for every tensor b: the full Hessian's product, restricted, so all tensors act on each."""
    gradients, products = parts(hessian.gradient, hessian.params), parts(hg, hessian.params)
    return {name: aligned(gradients[name].reshape(-1), products[name].reshape(-1)) for name in gradients}


def alignment_by_block(hessian: Hessian) -> dict[str, Alignment]:
    """g_b against H_bb g_b for every tensor b: its own diagonal block of the Hessian, all other tensors held fixed."""
    gradients = {name: g.reshape(-1) for name, g in parts(hessian.gradient, hessian.params).items()}
    return {name: aligned(g, hessian.block(name, g)) for name, g in gradients.items()}


def rounding(logits: Float[Tensor, "batch class"], criterion: Callable[[Tensor], Tensor]) -> float:
    """How much of the gradient is rounding, relative to its size: ε (1 + 1/d), in the precision of the logits.

    d is the root mean square over examples of B·‖∂L/∂z_b‖, the size of one example's slope (softmax less one-hot, for
    cross-entropy). A slope is a difference of numbers near 1, so it carries an error of about ε however small it is.
    It is an order of magnitude, not a bound; infinite for slopes of 0.
    """
    z = logits.detach().requires_grad_()
    with torch.enable_grad():
        slope = torch.autograd.grad(criterion(z), z)[0].double()
    size = math.sqrt(len(slope)) * float(slope.norm())
    return torch.finfo(logits.dtype).eps * (1 + (1 / size if size else math.inf))


NAMES = ("alignment", "gradient_norm", "hessian_gradient_norm", "gradient_curvature")


def alignment_records(suffix: str, word: str, variant: str, disputes: str = DISPUTE) -> tuple[Record, ...]:
    """The records of one `Alignment`."""
    variant = f"{variant}; {EXACT}; {KINKS}"
    return (
        Record(f"alignment{suffix}", f"cos(g, Hg){word}", "gᵀHg / (‖g‖ ‖Hg‖)", "1", variant, ORIGIN, disputes=disputes),
        Record(f"gradient_norm{suffix}", f"Gradient norm{word}", "‖g‖", "loss per weight", variant, ORIGIN),
        Record(f"hessian_gradient_norm{suffix}", f"Norm of Hg{word}", "‖Hg‖", "loss² per weight³", variant, ORIGIN),
        Record(
            f"gradient_curvature{suffix}",
            f"Curvature along the gradient{word}",
            "gᵀHg / ‖g‖²",
            "loss per weight²",
            variant,
            "Rayleigh quotient of the gradient",
        ),
    )


def alignment_values(suffix: str, found: Alignment) -> Values:
    """The numbers of `alignment_records`, by their names."""
    numbers = (found.cosine, found.gradient, found.product, found.curvature)
    return {name + suffix: number for name, number in zip(NAMES, numbers, strict=True)}


FULL = "all training examples, after the update, training loss alone, every parameter"
PER_TENSOR = f"one number a tensor; {FULL}; {EXACT}; {KINKS}"

RECORDS = (
    *alignment_records("", "", FULL),
    *alignment_records(
        "_decayed",
        " with decay",
        "all training examples, after the update, training loss + ½λ‖θ‖² over every parameter, λ the weight_decay of "
        "the last update (NaN before the first, or where the optimiser has none); factors for single tensors and "
        "decay to the initial weights are not in it",
        "decoupled decay (AdamW) is no gradient of any loss: this is the coupled form of the same λ, not what AdamW "
        "follows",
    ),
    Record(
        "gradient_rounding",
        "Rounding in the gradient",
        "ε (1 + 1/d), d = root mean square over examples of B‖∂L/∂z_b‖, ε = 2.2e-16",
        "share",
        f"{FULL}; an estimate of the relative error of the float64 gradient behind `alignment`, by order of magnitude",
        "a slope of cross-entropy is a difference of numbers near 1, with an error of ε",
        better="lower",
    ),
    Record(
        "alignment_by_tensor",
        "cos(g, Hg) within each tensor",
        "g_bᵀ(Hg)_b / (‖g_b‖ ‖(Hg)_b‖)",
        "1",
        f"the full Hessian's product restricted to the tensor, so all tensors act on it; {PER_TENSOR}",
        ORIGIN,
        disputes="alignment_by_block has each tensor's own block of the Hessian instead",
        axes=("tensor",),
    ),
    Record(
        "gradient_norm_by_tensor",
        "Gradient norm by tensor",
        "‖g_b‖",
        "loss per weight",
        PER_TENSOR,
        ORIGIN,
        axes=("tensor",),
    ),
)

BLOCKS = (
    Record(
        "alignment_by_block",
        "cos(g, Hg) by diagonal block",
        "g_bᵀH_bb g_b / (‖g_b‖ ‖H_bb g_b‖)",
        "1",
        f"the tensor's own diagonal block of the Hessian, the others held fixed; {PER_TENSOR}",
        ORIGIN,
        disputes="alignment_by_tensor has the full Hessian's product restricted to the tensor instead",
        axes=("tensor",),
    ),
    Record(
        "gradient_curvature_by_block",
        "Curvature along the gradient by diagonal block",
        "g_bᵀH_bb g_b / ‖g_b‖²",
        "loss per weight²",
        f"the tensor's own diagonal block of the Hessian, the others held fixed; {PER_TENSOR}",
        "Rayleigh quotient of the gradient",
        axes=("tensor",),
    ),
)


def training_hessian(probe: Probe, params: Params, examples: Examples) -> Hessian:
    """The Hessian of the training loss alone on some examples, in float64."""
    return Hessian(cast(params, torch.float64), loss_of(probe.subject, examples, torch.float64))


def _by_tensor(found: dict[str, Alignment], number: Callable[[Alignment], float]) -> xarray.DataArray:
    return labelled(torch.tensor([number(one) for one in found.values()], dtype=torch.float64), {"tensor": list(found)})


def _compute(probe: Probe) -> Values:
    train = probe.subject.train
    hessian = training_hessian(probe, probe.params, train)
    hg = hessian(hessian.gradient)
    decay = math.nan if probe.update is None else probe.update.hyper.get("weight_decay", math.nan)
    tensors = alignment_by_tensor(hessian, hg)
    logits = probe.subject.model.logits(cast(probe.params, torch.float64), train)
    return {
        **alignment_values("", aligned(hessian.gradient, hg)),
        **alignment_values("_decayed", decayed(hessian, hg, decay)),
        "gradient_rounding": rounding(logits, criterion_of(probe.subject, train, torch.float64)),
        "alignment_by_tensor": _by_tensor(tensors, lambda found: found.cosine),
        "gradient_norm_by_tensor": _by_tensor(tensors, lambda found: found.gradient),
    }


def _compute_blocks(probe: Probe) -> Values:
    found = alignment_by_block(training_hessian(probe, probe.params, probe.subject.train))
    return {
        "alignment_by_block": _by_tensor(found, lambda block: block.cosine),
        "gradient_curvature_by_block": _by_tensor(found, lambda block: block.curvature),
    }


ALIGNMENT = Measure(
    "alignment",
    "How the gradient lies to the Hessian of the training loss: cos(g, Hg), and the curvature along g.",
    RECORDS,
    _compute,
    missing,
    level="all",
    cost=11.0,
)
ALIGNMENT_BLOCKS = Measure(
    "alignment-blocks",
    "cos(g, Hg) within each tensor's own block of the Hessian.",
    BLOCKS,
    _compute_blocks,
    missing,
    level="all",
    cost=25.0,
)

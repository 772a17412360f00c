"""The local learning coefficient, by Langevin dynamics around the weights (Lau et al. 2023), with what can go wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.measures.gradient_noise import sample_of
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values
from latebloom.models import keyed_generator

Loss = Callable[[Params], Tensor]


def theory_n_beta(examples: int) -> float:
    """n·β* = n / ln n, the temperature of Watanabe's WBIC (2013), at which λ̂ is consistent."""
    return examples / math.log(examples)


def devinterp_n_beta(batch: int) -> float:
    """batch / ln batch, the default of devinterp: a hotter chain, which sees a coarser basin."""
    return batch / math.log(batch)


@dataclass(frozen=True)
class Settings:
    """How the basin is sampled; every number of a result depends on all of them.

    Attributes:
        n_beta: n·β, the inverse temperature of the mean loss (`theory_n_beta`, `devinterp_n_beta`).
        step: ε of w ← w − ε/2·(nβ∇L + γ(w − w*)) + √ε·N(0, 1).
        localisation: γ, the strength of the pull back to w*.
        chains: independent chains, at least 2.
        burn_in: steps of each chain that are thrown away.
        draws: steps of each chain whose loss is kept, at least 4.
        key: what the noise is keyed by, with the chain's number.
        max_r_hat: the greatest R̂ of chains that are said to agree.
        max_step_bias: the greatest share of λ̂ that may come from ε alone.
        max_drift: the greatest change along the trace, as a share of the estimate.
    """

    n_beta: float
    step: float
    localisation: float
    chains: int = 3
    burn_in: int = 100
    draws: int = 100
    key: str = "langevin"
    max_r_hat: float = 1.2
    max_step_bias: float = 0.1
    max_drift: float = 0.25

    def __post_init__(self) -> None:
        if not (self.n_beta > 0 and self.step > 0 and self.localisation >= 0):
            raise LatebloomError(
                "expected n_beta > 0, step > 0 and localisation ≥ 0, got "
                f"{self.n_beta}, {self.step} and {self.localisation}"
            )
        if self.chains < 2 or self.draws < 4 or self.burn_in < 0:
            raise LatebloomError(
                "expected chains ≥ 2 and draws ≥ 4 (R̂ compares halves of chains) and burn_in ≥ 0, got "
                f"{self.chains}, {self.draws} and {self.burn_in}"
            )


FAILURES = ("", "diverged", "step too large", "not settled", "chains disagree", "negative")
"""Why an estimate is not given, in the order in which it is asked; a record holds the number."""


@dataclass(frozen=True)
class Result:
    """An estimate with its diagnostics.

    Attributes:
        value: λ̂ = nβ(mean of L_n over draws − L_n(w*)); NaN where the chains failed.
        raw: the same whatever the diagnostics say, over the draws that are finite numbers.
        error: the standard error of the mean over chains.
        per_chain: λ̂ of each chain.
        r_hat: split R̂ of the losses (Gelman et al. 2013); near 1 when chains agree.
        step_bias: ε/4·E⟨nβ∇L, ∇U⟩ / E⟨w − w*, nβ∇L⟩, the loss-weighted stiffness of the chain: for a quadratic λ̂ is
            too large by about this share. NaN where the weights lie at no minimum.
        acceptance: mean probability with which Metropolis would have accepted a kept step. 1 for ε → 0, and 1/2, not
            0, for a chain of many dimensions that has settled, however small its bias: nothing is judged by it.
        drift: λ̂'s change along the kept draws, by a straight line through the losses, mean over chains.
        failure: one of `FAILURES`; "" where the estimate stands.
        reason: the failure in words, with what to try.
        initial_loss: L_n(w*).
        trace: L_n at each kept draw.
        settings: what it was sampled with.
    """

    value: float
    raw: float
    error: float
    per_chain: list[float]
    r_hat: float
    step_bias: float
    acceptance: float
    drift: float
    failure: str
    reason: str
    initial_loss: float
    trace: Float[Tensor, "chain draw"]
    settings: Settings


def learning_coefficient(params: Params, loss: Loss, settings: Settings) -> Result:
    """λ̂ of Lau et al. 2023 (arXiv 2308.12108): nβ(E[L_n] − L_n(w*)) over a localised, tempered posterior.

    Departures: the gradient is that of the whole L_n, so that the only noise is Langevin's; no step is rejected. For a
    quadratic loss with curvatures h the exact answer at ε → 0 is Σ ½ nβh / (nβh + γ): γ hides directions flatter than
    γ/nβ.

    Args:
        params: w*, of any network; the noise is drawn in their precision.
        loss: L_n, a differentiable mean over n examples.
        settings: temperature, step, localisation, chains.
    """
    start = torch.cat([tensor.detach().flatten() for tensor in params.values()])
    function, initial = _flat(params, loss), float(loss(params))
    chains = [_chain(start, function, settings, chain) for chain in range(settings.chains)]
    return _judged(torch.stack(chains), initial, settings)


def _flat(params: Params, loss: Loss) -> Callable[[Tensor], tuple[float, Tensor]]:
    """The loss and its gradient as functions of one vector."""
    shapes = [tensor.shape for tensor in params.values()]
    sizes = [tensor.numel() for tensor in params.values()]

    def value_and_gradient(vector: Tensor) -> tuple[float, Tensor]:
        parts = [part.view(shape).requires_grad_() for part, shape in zip(vector.split(sizes), shapes, strict=True)]
        with torch.enable_grad():
            value = loss(dict(zip(params, parts, strict=True)))
            grads = torch.autograd.grad(value, parts, materialize_grads=True)
        return float(value.detach()), torch.cat([grad.flatten() for grad in grads])

    return value_and_gradient


def _chain(
    start: Tensor, function: Callable[[Tensor], tuple[float, Tensor]], settings: Settings, chain: int
) -> Float[Tensor, "draw 4"]:
    """Of each kept step: loss, acceptance, ⟨nβ∇L, ∇U⟩, ⟨w − w*, nβ∇L⟩; NaN from where the chain diverged."""
    kept = torch.full((settings.draws, 4), math.nan, dtype=torch.float64)
    generator = keyed_generator(0, f"{settings.key}/{chain}")
    step, root = settings.step, math.sqrt(settings.step)
    point = _Point.of(start, start, function, settings)
    for t in range(settings.burn_in + settings.draws):
        noise = torch.randn(start.shape, generator=generator, dtype=start.dtype).to(start.device)
        moved = _Point.of(point.w - 0.5 * step * point.force + root * noise, start, function, settings)
        if not math.isfinite(moved.energy):
            break
        if t >= settings.burn_in:
            # log q(back) − log q(there); the way there is the noise itself
            back = (point.w - moved.w + 0.5 * step * moved.force).double().square().sum() / (2 * step)
            log_ratio = point.energy - moved.energy - float(back) + 0.5 * float(noise.double().square().sum())
            accepted = math.exp(min(0.0, log_ratio))
            stiff = _dot(moved.pull, moved.force)
            kept[t - settings.burn_in] = torch.tensor([moved.loss, accepted, stiff, _dot(moved.w - start, moved.pull)])
        point = moved
    return kept


@dataclass(frozen=True, eq=False)
class _Point:
    """A place of a chain: its loss, U = nβL + γ/2‖w − w*‖², nβ∇L and ∇U."""

    w: Tensor
    loss: float
    energy: float
    pull: Tensor
    force: Tensor

    @classmethod
    def of(
        cls, w: Tensor, start: Tensor, function: Callable[[Tensor], tuple[float, Tensor]], settings: Settings
    ) -> _Point:
        loss, gradient = function(w)
        away, pull = w - start, settings.n_beta * gradient
        energy = settings.n_beta * loss + 0.5 * settings.localisation * _dot(away, away)
        return cls(w, loss, energy, pull, pull + settings.localisation * away)


def _dot(a: Tensor, b: Tensor) -> float:
    return float(a.double() @ b.double())


def split_r_hat(trace: Float[Tensor, "chain draw"]) -> float:
    """R̂ of Gelman et al. 2013 (Bayesian Data Analysis, 11.4) over the halves of all chains; NaN for equal draws."""
    half = trace.shape[1] // 2
    halves = torch.cat([trace[:, :half], trace[:, -half:]])
    within = float(halves.var(dim=1).mean())
    between = half * float(halves.mean(dim=1).var())
    return math.sqrt((half - 1) / half + between / (half * within)) if within > 0 else math.nan


def _judged(kept: Float[Tensor, "chain draw 4"], initial: float, settings: Settings) -> Result:
    trace, accepted, stiff, virial = kept.unbind(2)
    scaled = settings.n_beta * (trace - initial)
    time = torch.linspace(-0.5, 0.5, settings.draws, dtype=torch.float64)
    per_chain, lean = scaled.mean(dim=1), float(virial.mean())
    found = Result(
        value=float(per_chain.mean()),
        raw=float(scaled.nanmean()),
        error=float(per_chain.std()) / math.sqrt(settings.chains),
        per_chain=per_chain.tolist(),
        r_hat=split_r_hat(trace),
        step_bias=0.25 * settings.step * float(stiff.mean()) / lean if lean > 0 else math.nan,
        acceptance=float(accepted.mean()),
        drift=float((scaled @ time).mean() / time.square().sum()),
        failure="",
        reason="",
        initial_loss=initial,
        trace=trace,
        settings=settings,
    )
    failure, reason = _fault(found)
    return replace(found, value=math.nan, failure=failure, reason=reason) if failure else found


def _fault(found: Result) -> tuple[str, str]:
    """The first thing that is wrong with an estimate, and what to try."""
    value, limits = found.value, found.settings
    if not math.isfinite(value):
        return FAILURES[1], "a loss was no longer a finite number: take a smaller step"
    if found.step_bias > limits.max_step_bias:
        return FAILURES[2], (
            f"about {found.step_bias:.2g} of λ̂ comes from the step alone, more than {limits.max_step_bias}: "
            "take a smaller step"
        )
    if abs(found.drift) > limits.max_drift * abs(value) + 2 * found.error:
        return FAILURES[3], (
            f"λ̂ moves by {found.drift:.3g} along the draws, whose mean is {value:.3g}: take a longer burn-in, or "
            "more localisation"
        )
    if not found.r_hat <= limits.max_r_hat:
        return FAILURES[4], f"R̂ is {found.r_hat:.3g}, above {limits.max_r_hat}: take longer chains"
    if value < -2 * found.error:
        return FAILURES[5], (
            f"λ̂ = {value:.3g} ± {found.error:.2g}, so the weights are no minimum of the loss: train on, or take more "
            "localisation"
        )
    return FAILURES[0], ""


EXAMPLES = 1024
DEFAULT = {"step": 1e-4, "localisation": 1e3, "chains": 3, "burn_in": 50, "draws": 60}
SAMPLED = (
    f"L_n: training loss, decay left out, of n = {EXAMPLES} training examples drawn by a fixed key (all, where there "
    f"are fewer); nβ = n / ln n (theory); SGLD with the whole gradient of L_n, ε = {DEFAULT['step']:g}, "
    f"γ = {DEFAULT['localisation']:g}, {DEFAULT['chains']} chains of {DEFAULT['burn_in']} + {DEFAULT['draws']} steps, "
    "the same noise at every step of training; precision of the weights"
)
LAU = "Lau et al. 2023 (arXiv 2308.12108)"

RECORDS = (
    Record(
        "learning_coefficient",
        "Local learning coefficient λ̂",
        "nβ(E_SGLD[L_n(w)] − L_n(w*))",
        "1",
        f"NaN where the chains failed, see learning_coefficient_failure; {SAMPLED}",
        LAU,
        disputes="devinterp takes nβ = batch / ln batch, theory n / ln n: λ̂ depends on it, and on γ, which hides "
        "directions with curvature below γ/nβ; compare only values of the same settings. Weights that weight decay "
        "holds are no minimum of the training loss alone, so λ̂ may be negative",
    ),
    Record(
        "learning_coefficient_raw",
        "λ̂ whatever the diagnostics say",
        "nβ(mean over all draws of L_n − L_n(w*))",
        "1",
        f"draws that are no finite numbers left out; {SAMPLED}",
        LAU,
    ),
    Record(
        "learning_coefficient_error",
        "Standard error of λ̂ over chains",
        "std over chains / √chains",
        "1",
        f"chains share the sample of examples, whose error is not in it; {SAMPLED}",
        LAU,
    ),
    Record(
        "learning_coefficient_r_hat",
        "Split R̂ of the chains",
        "√(((h − 1)/h · W + B/h) / W), W, B within and between halves of h draws",
        "1",
        SAMPLED,
        "Gelman et al. 2013 (Bayesian Data Analysis, 11.4)",
        better="lower",
    ),
    Record(
        "learning_coefficient_step_bias",
        "Share of λ̂ that the chains' step size adds",
        "ε/4 · E⟨nβ∇L, ∇U⟩ / E⟨w − w*, nβ∇L⟩, U = nβL + γ/2‖w − w*‖²",
        "share",
        f"the loss-weighted mean of ε/4 times the curvature of U, exact to first order for a quadratic; {SAMPLED}",
        "this project, from the stationary variance 1/(a(1 − εa/4)) of a linear chain of stiffness a",
        better="lower",
    ),
    Record(
        "learning_coefficient_acceptance",
        "Metropolis acceptance of the chains' steps",
        "mean of min(1, e^(U(w) − U(w′)) q(w|w′) / q(w′|w))",
        "share",
        f"no step is rejected; {SAMPLED}",
        "Roberts & Tweedie 1996; devinterp logs it as a check of the step",
        disputes="a settled chain of many dimensions has 1/2 however small its bias, so nothing is judged by it",
    ),
    Record(
        "learning_coefficient_drift",
        "Change of λ̂ along the chains",
        "slope of a straight line through nβL_n × draws, mean over chains",
        "1",
        SAMPLED,
        "this project",
    ),
    Record(
        "learning_coefficient_failure",
        "Why λ̂ is not given",
        "; ".join(f"{i} {name or 'it is given'}" for i, name in enumerate(FAILURES)),
        "code",
        "limits: step bias 0.1, drift a quarter of λ̂ and two standard errors, R̂ 1.2, −2 standard errors; in this "
        f"order, the first one holds; {SAMPLED}",
        "this project",
    ),
)


def _compute(probe: Probe) -> Values:
    sample = sample_of(probe.subject.train, EXAMPLES, "learning coefficient")
    settings = Settings(n_beta=theory_n_beta(len(sample)), **DEFAULT)
    found = learning_coefficient(probe.params, lambda params: probe.loss(params, sample), settings)
    return {
        "learning_coefficient": found.value,
        "learning_coefficient_raw": found.raw,
        "learning_coefficient_error": found.error,
        "learning_coefficient_r_hat": found.r_hat,
        "learning_coefficient_step_bias": found.step_bias,
        "learning_coefficient_acceptance": found.acceptance,
        "learning_coefficient_drift": found.drift,
        "learning_coefficient_failure": float(FAILURES.index(found.failure)),
    }


def _missing(subject: Subject) -> str:
    if subject.loss is None:
        return "the training loss is not known"
    return "" if len(subject.train_index) > 1 else "there is only one training example"


LEARNING_COEFFICIENT = Measure(
    "learning-coefficient",
    "How degenerate the minimum is: the local learning coefficient, by Langevin dynamics, with what can go wrong.",
    RECORDS,
    _compute,
    _missing,
    level="all",
    cost=270.0,
)

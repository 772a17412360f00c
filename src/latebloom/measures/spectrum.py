"""The Hessian's spectrum: its ends, how gradient and update lie to them, its trace and density, its Gauss–Newton part.

Two measures: `spectrum` follows the ends by Lanczos, `spectrum-density` the whole by stochastic Lanczos quadrature.
Everything is of the training loss alone on all training examples, in float64, start vectors and probes fixed by key.
"""

from __future__ import annotations

import math

import torch
import xarray
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.alignment import EXACT, KINKS, training_hessian
from latebloom.measures.curvature import GaussNewton, cast, criterion_of, flat, missing
from latebloom.measures.lanczos import Extremes, captured, estimate, extremes, lanczos, negative_mass, quadrature
from latebloom.measures.probe import Probe
from latebloom.measures.record import Measure, Record, Values, labelled
from latebloom.measures.sketch import SKETCH, gaussian, rademacher, sketched

TOP, MOST, TOLERANCE = 8, 64, 1e-3
PROBES = 8
DRAWS, NODES = 2, 64

WHERE = f"all training examples, after the update, training loss alone, every parameter; {EXACT}; {KINKS}"
KRYLOV = (
    f"Lanczos with full reorthogonalisation, one fixed Gaussian start vector, at most {MOST} products, ended when "
    f"every residual is at most {TOLERANCE:g} of the greatest |λ| (see hessian_residuals); {WHERE}"
)
RANDOM = f"{PROBES} fixed probes of ±1; {WHERE}"
SKEWED = "unbiased for the spread, but where few eigenvalues dominate ±2 errors hold the truth in less than 95 %"
DRAWN = f"{NODES} Lanczos steps from each of {DRAWS} fixed probes of ±1; {WHERE}"
LANCZOS = "Lanczos 1950; Parlett, The symmetric eigenvalue problem, ch. 13"
QUADRATURE = "Ghorbani et al. 2019 (arXiv 1901.10159)"
GAUSS_NEWTON = "H = G + Σ (∂L/∂z)∂²z/∂θ², G = Jᵀ(∂²L/∂z²)J; Schraudolph 2002"
CURVATURE = "loss per weight²"

RECORDS = (
    Record("hessian_max", "Greatest eigenvalue of the Hessian", "λ_max(H)", CURVATURE, KRYLOV, LANCZOS),
    Record(
        "hessian_min",
        "Least eigenvalue of the Hessian",
        "λ_min(H); below 0 is negative curvature",
        CURVATURE,
        f"never below the true one, so a negative value proves negative curvature; converges last; {KRYLOV}",
        LANCZOS,
    ),
    Record(
        "hessian_min_residual",
        "Residual of the least eigenvalue",
        "‖Hv − λ_min v‖ / max|λ|",
        "share",
        KRYLOV,
        LANCZOS,
        better="lower",
    ),
    Record(
        "hessian_min_gauss_newton",
        "Gauss–Newton part of the least eigenvalue",
        "vᵀGv, v the unit vector of λ_min",
        CURVATURE,
        KRYLOV,
        GAUSS_NEWTON,
    ),
    Record(
        "hessian_eigenvalues",
        "Greatest eigenvalues of the Hessian",
        f"λ_1 ≥ … ≥ λ_{TOP}",
        CURVATURE,
        f"{KRYLOV}; of a multiple eigenvalue one copy is found before the others",
        LANCZOS,
        axes=("eigenvector",),
    ),
    Record(
        "hessian_residuals",
        "Residuals of the greatest eigenvalues",
        "‖Hv_i − λ_i v_i‖ / max|λ|",
        "share",
        f"|β s| of the tridiagonal matrix; {KRYLOV}",
        LANCZOS,
        better="lower",
        axes=("eigenvector",),
    ),
    Record(
        "hessian_gauss_newton",
        "Gauss–Newton part of the greatest eigenvalues",
        "v_iᵀGv_i; the rest of λ_i is v_iᵀ(H − G)v_i",
        CURVATURE,
        KRYLOV,
        GAUSS_NEWTON,
        axes=("eigenvector",),
    ),
    Record(
        "gradient_captured",
        "Gradient along each of the Hessian's top eigenvectors",
        "(gᵀv_i)² / ‖g‖²",
        "share",
        KRYLOV,
        "Gur-Ari et al. 2018 (arXiv 1812.04754)",
        axes=("eigenvector",),
    ),
    Record(
        "gradient_captured_top",
        f"Gradient within the Hessian's top {TOP} directions",
        f"Σ_(i ≤ {TOP}) (gᵀv_i)² / ‖g‖²",
        "share",
        KRYLOV,
        "Gur-Ari et al. 2018 (arXiv 1812.04754)",
        disputes="there the top space has as many directions as classes; here a fixed number",
    ),
    Record(
        "update_captured_top",
        f"Update within the Hessian's top {TOP} directions",
        f"Σ_(i ≤ {TOP}) (uᵀv_i)² / ‖u‖², u = θ_after − θ_before",
        "share",
        f"NaN before the first update; decay's part of u included; {KRYLOV}",
        "Gur-Ari et al. 2018 (arXiv 1812.04754), there for the gradient",
    ),
    Record(
        "hessian_eigenvector_sketch",
        "Sketches of the Hessian's top eigenvectors",
        f"s_j = Σ over entries e with bucket(e) = j of ±v_e, {SKETCH} buckets and signs fixed by each tensor's name",
        "1",
        f"v_i·w_k of any two steps is estimated by the product of their sketches, without bias, with standard error "
        f"√((1 + (v_i·w_k)²)/{SKETCH}) at most; signs of vectors mean nothing: take |·|; {KRYLOV}",
        "count sketch: Charikar et al. 2002",
        axes=("eigenvector", "sketch"),
    ),
)

DENSITY = (
    Record("hessian_trace", "Trace of the Hessian", "mean over probes of vᵀHv", CURVATURE, RANDOM, "Hutchinson 1990"),
    Record(
        "hessian_trace_error",
        "Standard error of the trace",
        f"s/√{PROBES} over probes",
        CURVATURE,
        f"{SKEWED}; {RANDOM}",
        "Hutchinson 1990",
        better="lower",
    ),
    Record(
        "gauss_newton_trace",
        "Trace of the Gauss–Newton part",
        "mean over probes of vᵀGv; that of the rest is hessian_trace less this",
        CURVATURE,
        f"the probes of hessian_trace; {RANDOM}",
        GAUSS_NEWTON,
    ),
    Record(
        "gauss_newton_trace_error",
        "Standard error of the Gauss–Newton trace",
        f"s/√{PROBES} over probes",
        CURVATURE,
        f"{SKEWED}; {RANDOM}",
        "Hutchinson 1990",
        better="lower",
    ),
    Record(
        "hessian_negative_mass",
        "Negative curvature",
        "Σ_(λ<0) |λ| / Σ |λ|, by quadrature",
        "share",
        f"{DRAWN}; converges slowly: read it with its range",
        QUADRATURE,
        disputes="the share of negative eigenvalues is not given: most lie so near 0 that their signs are rounding",
    ),
    *(
        Record(
            f"hessian_negative_mass_{end}",
            f"Negative curvature, {word} of its range",
            f"the {word} over m = {NODES // 2 + 1} … {NODES} nodes of hessian_negative_mass",
            "share",
            f"the quadrature's error, not that of the probes, and no confidence interval; {DRAWN}",
            QUADRATURE,
        )
        for end, word in (("low", "least"), ("high", "greatest"))
    ),
    Record(
        "hessian_density_nodes",
        "Nodes of the Hessian's spectral density",
        "θ_i of each probe's Lanczos steps, ascending",
        CURVATURE,
        f"density = mean over probes of Σ τ_i δ(θ_i), not smoothed; detail near 0 is not resolved; {DRAWN}",
        QUADRATURE,
        axes=("probe", "node"),
    ),
    Record(
        "hessian_density_weights",
        "Weights of the Hessian's spectral density",
        "τ_i = squared first entry of the i-th eigenvector of each probe's tridiagonal matrix",
        "share",
        f"they sum to 1 for each probe; {DRAWN}",
        QUADRATURE,
        axes=("probe", "node"),
    ),
)


def _gauss_newton(probe: Probe) -> GaussNewton:
    subject, train = probe.subject, probe.subject.train
    criterion = criterion_of(subject, train, torch.float64)
    return GaussNewton(cast(probe.params, torch.float64), lambda params: subject.model.logits(params, train), criterion)


def _compute(probe: Probe) -> Values:
    hessian = training_hessian(probe, probe.params, probe.subject.train)
    found = extremes(hessian, gaussian(probe.params, "spectrum/start"), TOP, MOST, TOLERANCE)
    g, u = hessian.gradient, torch.full_like(hessian.gradient, math.nan)
    if probe.update is not None:
        u = flat(cast(probe.params, torch.float64)) - flat(cast(probe.update.before, torch.float64))
    del hessian  # one graph at a time
    curved = _gauss_newton(probe)
    along = captured(g, found.vectors)
    return {
        **_ends(found),
        "hessian_min_gauss_newton": curved.quadratic(found.least_vector),
        "hessian_gauss_newton": _by_rank(
            torch.tensor([curved.quadratic(v) for v in found.vectors], dtype=torch.float64)
        ),
        "gradient_captured": _by_rank(along),
        "gradient_captured_top": float(along.sum()),
        "update_captured_top": float(captured(u, found.vectors).sum()),
        "hessian_eigenvector_sketch": labelled(
            sketched(found.vectors, probe.params),
            {"eigenvector": list(range(1, TOP + 1)), "sketch": list(range(SKETCH))},
        ),
    }


def _ends(found: Extremes) -> Values:
    scale = max(abs(float(found.values[0])), abs(found.least)) or math.nan
    return {
        "hessian_max": float(found.values[0]),
        "hessian_min": found.least,
        "hessian_min_residual": found.least_residual / scale,
        "hessian_eigenvalues": _by_rank(found.values),
        "hessian_residuals": _by_rank(found.residuals / scale),
    }


def _by_rank(values: Float[Tensor, " eigenvector"]) -> xarray.DataArray:
    return labelled(values, {"eigenvector": list(range(1, TOP + 1))})


def _compute_density(probe: Probe) -> Values:
    probes = [rademacher(probe.params, f"spectrum/probe/{i}") for i in range(PROBES)]
    hessian = training_hessian(probe, probe.params, probe.subject.train)
    whole = estimate(torch.tensor([float(v @ hessian(v)) for v in probes], dtype=torch.float64))
    # of each run only T is kept: a basis is as large as many networks
    runs = [lanczos(hessian, v, NODES).inner for v in probes[:DRAWS]]
    del hessian  # one graph at a time
    curved = _gauss_newton(probe)
    part = estimate(torch.tensor([curved.quadratic(v) for v in probes], dtype=torch.float64))
    negative, (nodes, weights) = negative_mass(runs), quadrature(runs, NODES)
    axes = {"probe": list(range(DRAWS)), "node": list(range(NODES))}
    return {
        "hessian_trace": whole.value,
        "hessian_trace_error": whole.error,
        "gauss_newton_trace": part.value,
        "gauss_newton_trace_error": part.error,
        "hessian_negative_mass": negative.value,
        "hessian_negative_mass_low": negative.low,
        "hessian_negative_mass_high": negative.high,
        "hessian_density_nodes": labelled(nodes, axes),
        "hessian_density_weights": labelled(weights, axes),
    }


SPECTRUM = Measure(
    "spectrum",
    "The Hessian's greatest and least eigenvalues, and how gradient and update lie to their directions.",
    RECORDS,
    _compute,
    missing,
    level="all",
    cost=260.0,
)
SPECTRUM_DENSITY = Measure(
    "spectrum-density",
    "The Hessian's trace and the density of all its eigenvalues, how much of it below 0, by random probes.",
    DENSITY,
    _compute_density,
    missing,
    level="all",
    cost=580.0,
)

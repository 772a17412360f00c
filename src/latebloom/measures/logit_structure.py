"""What the logits are made of: cosines of a ± b − c, and functions of a + b, a − b, a or b alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.cyclic import PAIRS, CyclicLogits, missing_cyclic
from latebloom.measures.fourier import by_frequency, spectrum
from latebloom.measures.keys import LIVE, live_keys
from latebloom.measures.probe import Probe
from latebloom.measures.progress import cube_wave
from latebloom.measures.record import Measure, Record, Values, labelled

Centred = Literal["pair", "all"]
"""What is taken off before variance is counted: each pair's mean over classes, or one mean of all entries."""


def cosine_coefficients(logits: CyclicLogits) -> Float[Tensor, " frequency"]:
    """α_k of the least-squares fit z ≈ Σ_k α_k cos w_k(a + sign·b − c) over all entries; entry 0 is frequency 1.

    The cosines are orthogonal, to one another and to every mean, so α_k does not depend on which others are fitted.

    Source: Nanda et al. 2023 (arXiv 2301.05217), §4.2.
    """
    n = logits.order
    lag = torch.arange(n, device=logits.z.device)
    # mean of z over all entries with the same a + sign·b − c
    by_lag = logits.groups.answer[(lag[:, None] + lag) % n, lag].mean(dim=1)
    waves = cube_wave(n).to(lag.device)
    return waves @ by_lag / waves.square().sum(dim=1)


def logit_fve(logits: CyclicLogits, keys: Sequence[int] | None = None, centred: Centred = "pair") -> float:
    """The share of the logits' variance that the cosines of some frequencies (all where None) explain.

    With `pair`, of z less its mean over the pair's classes, which is all that the softmax sees; with `all`, of z less
    one mean, as an ordinary R². NaN for constant logits.
    """
    n = logits.order
    # Σ cos² over all entries: n³/2, or n³ where 2k = n
    sizes = torch.tensor([n**3 / (1 if 2 * k == n else 2) for k in range(1, n // 2 + 1)], dtype=torch.float64)
    parts = cosine_coefficients(logits).square() * sizes.to(logits.z.device)
    explained = parts if keys is None else parts[[k - 1 for k in keys]]
    if centred == "pair":
        return float(explained.sum() / (logits.pair_energy or torch.nan))
    mean = float(logits.groups.a.mean())
    flat = logits.z.flatten()
    return float(explained.sum()) / ((float(flat @ flat) - n**3 * mean * mean) or math.nan)


def variance_shares(logits: CyclicLogits) -> dict[str, float]:
    """The share of the logits' variance between groups of pairs of the same answer, mirror, a and b.

    The answer's exponent is a + sign·b, the mirror a − sign·b. Of z less its mean over classes and each class's mean
    over pairs. A random function has (n − 1) / (n² − 1) = 1/(n + 1) in each; the four overlap only where n is even.
    """
    energy = logits.energy or math.nan
    groups = logits.centred_groups._asdict()
    return {name: logits.order * float(means.square().sum()) / energy for name, means in groups.items()}


def trig_fraction(logits: CyclicLogits) -> Float[Tensor, " frequency"]:
    """Of each frequency's energy in the products of 1, cos, sin(w_k a) and 1, cos, sin(w_k b), the share of a + sign·b.

    The energy of cos and sin w_k(a + sign·b) over that of the (up to) eight non-constant products, summed over classes;
    entry 0 is frequency 1; NaN where there is no energy.

    Source: in use by reproductions of Nanda et al. 2023 (arXiv 2301.05217), for the trigonometric identity.
    """
    parts = [by_frequency(spectrum(means).square().sum(dim=1))[1:] for means in logits.centred_groups]
    if logits.order % 2 == 0:
        parts[3][-1] = 0  # where 2k = n the waves of a + b and of a − b are one
    total = torch.stack(parts).sum(dim=0)
    return torch.where(total > 0, parts[2] / total, torch.nan)


CENTRED = f"of z less its mean over classes and each class's mean over pairs; {PAIRS}; float64"
WORDS = {
    "answer": ("a ± b", "the answer's exponent a ± b (+ for + and ×, − for − and ÷)"),
    "mirror": ("a ∓ b", "the other of a + b and a − b"),
    "a": ("a", "the first operand"),
    "b": ("b", "the second operand"),
}


def _fve(name: str, title: str, frequencies: str, centred: str, source: str) -> Record:
    return Record(
        name,
        title,
        "R² of z(a, b, c) ≈ Σ_k α_k cos w_k(a ± b − c), least squares over all pairs and classes",
        "share",
        f"{frequencies}; {centred}; {PAIRS}; float64",
        source,
        disputes="what is centred and which frequencies are fitted is not stated in the papers",
        better="higher",
    )


NANDA = "Nanda et al. 2023 (arXiv 2301.05217), §4.2"
SOFTMAX = "variance of z less its mean over the pair's classes, all that the softmax sees"

RECORDS = (
    _fve("logit_fve", "Logit FVE", f"key_frequencies, {LIVE}", SOFTMAX, NANDA),
    _fve("logit_fve_global", "Logit FVE, one mean", f"key_frequencies, {LIVE}", "variance of z less one mean", NANDA),
    _fve("logit_fve_all_frequencies", "Logit FVE, all frequencies", "all of 1 … n // 2", SOFTMAX, NANDA),
    *(
        Record(
            f"logit_share_{name}",
            f"Logit variance between {short}",
            f"Σ over {short} of the squared mean over its pairs, times their number, over the sum of squares",
            "share",
            f"groups of the same {long}; {CENTRED}",
            "in use by reproductions of Nanda et al. 2023 (arXiv 2301.05217)",
            disputes="compare with logit_share_chance",
        )
        for name, (short, long) in WORDS.items()
    ),
    Record(
        "logit_share_chance",
        "Logit variance between groups, by chance",
        "(n − 1)/(n² − 1) = 1/(n + 1)",
        "share",
        "expected logit_share of a random function of (a, b)",
        "degrees of freedom",
    ),
    Record(
        "trig_fraction",
        "Trigonometric identity, by frequency",
        "energy in cos, sin w_k(a ± b) over that in the products of 1, cos, sin(w_k a) and 1, cos, sin(w_k b)",
        "share",
        f"eight non-constant products, three where 2k = n; {CENTRED}",
        "in use by reproductions of Nanda et al. 2023 (arXiv 2301.05217)",
        better="higher",
        axes=("frequency",),
    ),
    Record(
        "trig_fraction_keys",
        "Trigonometric identity, key frequencies",
        "mean over key frequencies of trig_fraction",
        "share",
        f"key_frequencies, {LIVE}; NaN without any; {CENTRED}",
        "in use by reproductions of Nanda et al. 2023 (arXiv 2301.05217)",
        better="higher",
    ),
    Record(
        "cosine_coefficient",
        "Coefficients of cos w_k(a ± b − c)",
        "α_k of z ≈ Σ_k α_k cos w_k(a ± b − c), least squares over all pairs and classes",
        "logits",
        f"all of 1 … n // 2; {PAIRS}; float64",
        NANDA,
        axes=("frequency",),
    ),
)


def _compute(probe: Probe) -> Values:
    logits, keys = CyclicLogits.of(probe), live_keys(probe)
    frequencies = {"frequency": list(range(1, logits.order // 2 + 1))}
    fractions = trig_fraction(logits)
    return {
        "logit_fve": logit_fve(logits, keys),
        "logit_fve_global": logit_fve(logits, keys, "all"),
        "logit_fve_all_frequencies": logit_fve(logits),
        **{f"logit_share_{name}": share for name, share in variance_shares(logits).items()},
        "logit_share_chance": 1 / (logits.order + 1),
        "trig_fraction": labelled(fractions, frequencies),
        "trig_fraction_keys": fractions[[k - 1 for k in keys]].mean().item(),
        "cosine_coefficient": labelled(cosine_coefficients(logits), frequencies),
    }


LOGIT_STRUCTURE = Measure(
    "logit-structure",
    "Which functions of a and b the logits are made of: cosines of a ± b − c, a alone, b alone.",
    RECORDS,
    _compute,
    missing_cyclic,
    cost=0.4,
)

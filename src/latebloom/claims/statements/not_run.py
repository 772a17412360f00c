"""Claims that have no rule and no run yet: what they say, and what it would take to decide them."""

from __future__ import annotations

from latebloom.claims.claim import Claim

NANDA = "Nanda et al. 2023 (arXiv 2301.05217), as summarised in document C"
OVERVIEW = '"Grokking: Delayed Generalization After Memorization"'
MAINLINE = "One-layer transformer on addition mod 113, 30 % of the pairs, full-batch AdamW with λ = 1, 40 000 epochs."

NOT_RUN = (
    Claim(
        "D1",
        "p = 97, 50 %, two layers, λ = 0.01 groks within 10 000 epochs",
        "Weight decays of 1e-3 to 1e-1 are typical; p = 97, half of the pairs, two layers, λ = 0.01, batch 512 and a "
        "learning rate of 1e-3 grok within 10 000 epochs.",
        OVERVIEW,
        "As stated; optimiser, LayerNorm and betas are not named.",
        open_because="It takes `latebloom run overview`, some 94 000 steps of a two-layer transformer: two hours of "
        "one core for a seed.",
    ),
    Claim(
        "D6",
        "sparse sub-networks enable grokking",
        "Sparse sub-networks (lottery tickets) enable grokking.",
        OVERVIEW,
        "No experiment is given.",
        open_because="It takes tickets drawn from grokked networks, trained again from the initial weights beside "
        "random "
        "masks of equal norm, with five seeds: `latebloom surgeries` lists what there is for it.",
    ),
)

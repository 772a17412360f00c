"""Claims that have no rule and no run yet: what they say, and what it would take to decide them."""

from __future__ import annotations

from latebloom.claims.claim import Claim

NANDA = "a summary of Nanda et al. 2023 (arXiv 2301.05217)"
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
        open_because="It takes `latebloom run overview --seed S` for S = 0 … 4: some 94 000 steps of a two-layer "
        "transformer each, about 120 minutes of one core, 600 for five seeds. Deciding would be the share of them "
        "with a test accuracy of 0.95, sustained, within 10 000 epochs, and, for the typical decays, the same with "
        "`--optim.weight-decay 0.001` and `0.1`, which makes three times as much.",
        budget=600,
    ),
)

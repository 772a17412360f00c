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
        open_because="It takes `latebloom run overview --seed S` for S = 0 … 4: some 94 000 steps of a two-layer "
        "transformer each, about 120 minutes of one core, 600 for five seeds. Deciding would be the share of them "
        "with a "
        "test accuracy of 0.95, sustained, within 10 000 epochs, and, for the typical decays, the same with "
        "`--optim.weight-decay 0.001` and `0.1`, which makes three times as much.",
        budget=600,
    ),
    Claim(
        "D6",
        "sparse sub-networks enable grokking",
        "Sparse sub-networks (lottery tickets) enable grokking.",
        OVERVIEW,
        "No experiment is given.",
        open_because="A rule on new seeds has not been written: claims read sweeps, and a ticket is a fork. A study "
        "with "
        "five seeds has been looked at, so that it cannot decide (docs/surgery-results.md, Tickets): a ticket has no "
        "plateau but memorises later and does not arrive sooner, its norm alone does as well as the whole network, a "
        "random "
        "mask does neither. New seeds take `latebloom run studies/base/sum-mlp.toml --seed S --stop.event never "
        "--steps "
        "4000 --checkpoints.every 100 --log.measures norms,keys,restricted,excluded` for S = 5 … 9, then `latebloom "
        "fork "
        "runs/sum-mlp/seed-[5-9]-* --plan studies/tickets.toml`: 64 000 steps, some 30 minutes of one core.",
        budget=30,
    ),
)

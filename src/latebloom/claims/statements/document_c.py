"""What the claims of document C share."""

from __future__ import annotations

SOURCE = "a summary of Nanda et al. 2023 (arXiv 2301.05217)"
MAINLINE = "One-layer transformer on addition mod 113, 30 % of the pairs, full-batch AdamW with λ = 1, 40 000 epochs."

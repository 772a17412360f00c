"""Freireich et al. 1963: weeks of remission under 6-MP and under placebo, the textbooks' example."""

from __future__ import annotations

from latebloom.analysis.statistics import exact

SIX_MP = exact(
    [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35],
    [bool(c) for c in (0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1)],
)
PLACEBO = exact([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23])

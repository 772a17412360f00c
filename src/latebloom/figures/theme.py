"""The colours of figures, on light and on dark ground: those of the report, told apart with any colour vision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latebloom.figures.spec import Theme
from latebloom.views.inks import STATE_COLOURS

DASHES: dict[str, tuple[float, ...]] = {
    "train": (8, 5),
    "two": (12, 3),
    "three": (5, 3),
    "four": (9, 3, 2, 3),
    "five": (2, 4),
    "extra": (0.5, 3.5),
    "ground": (2, 4),
}
"""Lengths of dashes and gaps in pixels, so that lines are told apart without colour; other inks are drawn solid."""


@dataclass(frozen=True)
class Look:
    """What a figure is drawn with, as hex colours.

    Attributes:
        inks: by role.
        phases: shading by a phase's name.
        strips: the stronger colour of the same phase, for its name and the legend.
        ramp: from little to much, by lightness alone; the least is near the ground.
        apart: from far below 0 to far above it; the middle is near the ground.
        lines: the part of the ramp that stands out from the ground.
    """

    inks: dict[str, str]
    phases: dict[str, str]
    strips: dict[str, str]
    ramp: tuple[str, ...]
    apart: tuple[str, ...]
    lines: tuple[float, float]

    def ink(self, role: str | float) -> str:
        """The colour of a role, or of a place from 0 to 1 among ordered lines."""
        if isinstance(role, str):
            return self.inks[role]
        low, high = self.lines
        return blend(self.ramp, low + (high - low) * role)

    def tile(self, role: str | float) -> str:
        """The colour of a map's cell, light enough for dark words on it whatever the ground."""
        return self.inks[role] if isinstance(role, str) else blend(LIGHT.ramp, 0.05 + 0.42 * role)

    def faint(self, role: str | float) -> str:
        """The colour of something that stands back."""
        return blend((self.inks["paper"], self.ink(role)), 0.38)


TILES = {f"state-{name}": colour for name, colour in STATE_COLOURS.items()}

LIGHT = Look(
    TILES
    | {
        "paper": "#ffffff",
        "ink": "#1c2127",
        "quiet": "#59626d",
        "grid": "#e9ecef",
        "train": "#0072b2",
        "test": "#d55e00",
        "extra": "#a8508a",
        "one": "#00795a",
        "two": "#a8508a",
        "three": "#0072b2",
        "four": "#b36b00",
        "five": "#59626d",
        "ground": "#59626d",
        "tile-ink": "#111111",
    },
    {
        "learning": "#f1f2f4",
        "memorised": "#fdf3da",
        "memorisation": "#fdf3da",
        "circuit-formation": "#e6f1fb",
        "circuit-formed": "#e6f1fb",
        "cleanup": "#f5eaf7",
        "generalised": "#ddf2ea",
        "after-cleanup": "#ddf2ea",
        "anti-grokked": "#fbe6df",
        "collapsed": "#fbe6df",
    },
    {
        "learning": "#dfe2e6",
        "memorised": "#f9dfa4",
        "memorisation": "#f9dfa4",
        "circuit-formation": "#bcdcf5",
        "circuit-formed": "#bcdcf5",
        "cleanup": "#e3c9e8",
        "generalised": "#a9dfcc",
        "after-cleanup": "#a9dfcc",
        "anti-grokked": "#f3c1b0",
        "collapsed": "#f3c1b0",
    },
    ("#f6fbf8", "#def5e5", "#8bdab2", "#40b7ad", "#348fa7", "#37659e", "#413d7b", "#2e1e3c"),
    ("#00405f", "#0072b2", "#7db7de", "#f7f7f7", "#f3a76b", "#d55e00", "#7a3000"),
    (0.5, 1.0),
)

DARK = Look(
    TILES
    | {
        "paper": "#14161a",
        "ink": "#e9ebee",
        "quiet": "#a3acb7",
        "grid": "#292e36",
        "train": "#56b4e9",
        "test": "#ff9d4d",
        "extra": "#dd9bc4",
        "one": "#2fc49b",
        "two": "#dd9bc4",
        "three": "#56b4e9",
        "four": "#e6b04d",
        "five": "#a3acb7",
        "ground": "#a3acb7",
        "tile-ink": "#111111",
    },
    {
        "learning": "#1d2026",
        "memorised": "#2e2715",
        "memorisation": "#2e2715",
        "circuit-formation": "#10263a",
        "circuit-formed": "#10263a",
        "cleanup": "#2a1a30",
        "generalised": "#12302a",
        "after-cleanup": "#12302a",
        "anti-grokked": "#36170d",
        "collapsed": "#36170d",
    },
    {
        "learning": "#343a43",
        "memorised": "#5a4510",
        "memorisation": "#5a4510",
        "circuit-formation": "#163f63",
        "circuit-formed": "#163f63",
        "cleanup": "#4c2a55",
        "generalised": "#14543f",
        "after-cleanup": "#14543f",
        "anti-grokked": "#5e2412",
        "collapsed": "#5e2412",
    },
    ("#1b1922", "#2e2440", "#413d7b", "#37659e", "#348fa7", "#40b7ad", "#8bdab2", "#e6fbec"),
    ("#cfeaff", "#56b4e9", "#27577a", "#1b1d22", "#87501f", "#ff9d4d", "#ffe3c9"),
    (0.5, 1.0),
)

THEMES: dict[Theme, Look] = {"light": LIGHT, "dark": DARK}


def blend(stops: tuple[str, ...], place: float) -> str:
    """The colour at a place from 0 to 1 between evenly spaced stops."""
    at = float(np.clip(place, 0, 1)) * (len(stops) - 1)
    i = min(int(at), len(stops) - 2)
    pair = [[int(stop[c : c + 2], 16) for c in (1, 3, 5)] for stop in stops[i : i + 2]]
    return "#" + "".join(f"{round(a + (b - a) * (at - i)):02x}" for a, b in zip(*pair, strict=True))

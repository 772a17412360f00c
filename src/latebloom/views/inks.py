"""The colours of matplotlib figures, on light and on dark ground."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latebloom.errors import LatebloomError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Inks:
    """What a figure is drawn with.

    Attributes:
        paper: the ground.
        ink: text and axes.
        faint: grid and less important text.
        ramp: name of matplotlib's colour map for ordered values, readable with any colour vision.
        ends: the part of the map that stands out from the ground.
    """

    paper: str
    ink: str
    faint: str
    ramp: str
    ends: tuple[float, float]


LIGHT = Inks("#ffffff", "#1c2024", "#8a9199", "viridis", (0.0, 0.82))
DARK = Inks("#15181c", "#e8eaed", "#7d858e", "viridis", (0.28, 1.0))

# Okabe and Ito's palette: told apart with any colour vision. Greys are for runs that learnt nothing or tell nothing.
STATE_COLOURS = {
    "comprehension": "#009e73",
    "grokking": "#56b4e9",
    "partial": "#f0e442",
    "memorisation": "#e69f00",
    "anti-grokking": "#d55e00",
    "collapse": "#cc79a7",
    "stuck-plateau": "#c9b8a8",
    "confusion": "#8f9499",
    "diverged": "#9b8bd0",
    "unclear": "#d9dce0",
}


def inks(dark: bool) -> Inks:
    """The colours for a ground."""
    return DARK if dark else LIGHT


SUFFIXES = (".png", ".svg", ".pdf")


def save(figure: Figure, path: Path) -> None:
    """Writes a figure as PNG, SVG or PDF by the file's suffix.

    Raises:
        LatebloomError: another suffix, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise LatebloomError(f"expected a file name that ends in {', '.join(SUFFIXES)}, got {path}")
    import matplotlib

    # without its date, and with names that do not change, the same figure is the same file
    metadata = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    try:
        with matplotlib.rc_context({"svg.hashsalt": "latebloom"}):
            figure.savefig(path, dpi=150, metadata=metadata)
    except OSError as error:
        raise LatebloomError(f"{path} cannot be written: {error.strerror}") from error


@contextmanager
def drawn_in(colours: Inks) -> Iterator[None]:
    """Within it, everything that matplotlib draws has these colours and one look."""
    import matplotlib

    settings: dict[Any, Any] = {
        "figure.facecolor": colours.paper,
        "axes.facecolor": colours.paper,
        "savefig.facecolor": colours.paper,
        "text.color": colours.ink,
        "axes.labelcolor": colours.ink,
        "axes.edgecolor": colours.faint,
        "xtick.color": colours.ink,
        "ytick.color": colours.ink,
        "axes.grid": True,
        "grid.color": colours.faint,
        "grid.alpha": 0.25,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "axes.titlelocation": "left",
        "font.size": 9,
        "legend.frameon": False,
    }
    with matplotlib.rc_context(settings):
        yield


def ramp(colours: Inks, count: int) -> list[tuple[float, float, float, float]]:
    """Colours for `count` ordered values."""
    import matplotlib

    first, last = colours.ends
    scale = matplotlib.colormaps[colours.ramp]
    return [scale(first + (last - first) * i / max(count - 1, 1)) for i in range(count)]

"""Figures as files and in notebooks: which renderer draws what."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from latebloom.errors import LatebloomError
from latebloom.figures.spec import Figure, Theme
from latebloom.figures.theme import THEMES
from latebloom.store.layout import write_whole

SUFFIXES = (".png", ".svg", ".pdf", ".html")


def save(figure: Figure, path: Path, theme: Theme = "light") -> Path:
    """Writes a figure, whole or not at all, by the file's suffix.

    Raises:
        LatebloomError: another suffix, the file cannot be written, or HTML is asked for and Plotly is not there.
    """
    if path.suffix not in SUFFIXES:
        raise LatebloomError(f"expected a file name that ends in {', '.join(SUFFIXES)}, got {path}")
    if theme not in THEMES:
        raise LatebloomError(f"expected the theme {' or '.join(THEMES)}, got {theme!r}")
    if path.suffix == ".html":
        from latebloom.figures.interactive import page

        data = page(figure, theme).encode()
    else:
        from latebloom.figures.still import picture

        data = picture(figure, path.suffix[1:], theme)
    try:
        write_whole(path, data)
    except OSError as error:
        raise LatebloomError(f"{path} cannot be written: {error.strerror}") from error
    return path


def bundle(figure: Figure) -> dict[str, Any]:
    """What a notebook shows: Plotly's figure where it is installed, and a picture for what cannot show that."""
    from latebloom.figures.still import picture

    shown: dict[str, Any] = {"text/plain": repr(figure), "image/png": picture(figure, "png", "light", dpi=100)}
    with suppress(LatebloomError):
        from latebloom.figures.interactive import plotly_json

        shown["application/vnd.plotly.v1+json"] = plotly_json(figure, "light")
    return shown

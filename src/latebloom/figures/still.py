"""Figures drawn by matplotlib: PNG, SVG and PDF. Nothing is computed here."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.figures.legend import columns_of, fitting, labelled, lines_of, mark_words, tick_room, width_of, wrapped
from latebloom.figures.spec import Axis, Bars, Feet, Figure, Heat, Line, Panel, Text, Theme, Tile
from latebloom.figures.theme import DASHES, THEMES, Look
from latebloom.views.findings import count
from latebloom.views.ticks import log_ticks, power

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawn

MARKERS = {"circle": "o", "triangle-up": "^", "triangle-down": "v", "diamond": "D", "cross": "+", "dot": "."}
EVENTS = ("v", "D", "s", "P", "X")
STRIP = 0.055
LETTER = 0.062


def picture(figure: Figure, kind: str, theme: Theme = "light", dpi: int = 150) -> bytes:
    """The figure as a file's bytes; the same figure gives the same bytes.

    Args:
        figure: the figure.
        kind: png, svg or pdf.
        theme: its ground.
        dpi: dots per inch of a PNG, and of heat maps in the others.
    """
    import matplotlib

    file = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with matplotlib.rc_context({"svg.hashsalt": "latebloom"}):
        draw(figure, theme).savefig(file, format=kind, dpi=dpi, metadata=metadata)
    return file.getvalue()


def draw(figure: Figure, theme: Theme = "light") -> Drawn:
    """The figure as matplotlib's."""
    import matplotlib
    from matplotlib.figure import Figure as Drawn

    look, rows, width = THEMES[theme], figure.rows(), width_of(figure)
    with matplotlib.rc_context(_settings(look)):
        key, note = _below(figure, look, width)
        bottom = 0.06 + 0.185 * (len(key) + len(note))
        height = 0.5 + sum(figure.height + 0.55 for _ in rows) + bottom
        drawn = Drawn(figsize=(width, height))
        drawn.set_layout_engine("constrained", rect=(0, bottom / height, 1, 1 - bottom / height))
        columns = max(len(row) for row in rows)
        grid = drawn.add_gridspec(len(rows), columns)
        for down, row in enumerate(rows):
            for across, panel in enumerate(row):
                place = grid[down, :] if panel.wide else grid[down, across]
                _panel(drawn.add_subplot(place), panel, figure, look, width / (1 if panel.wide else columns))
        drawn.suptitle(figure.title, x=0.012, ha="left", fontsize=11.5, fontweight="bold")
        _write_below(drawn, key, note, look, width, height)
    return drawn


def _settings(look: Look) -> dict[Any, Any]:
    return {
        "figure.facecolor": look.ink("paper"),
        "axes.facecolor": look.ink("paper"),
        "savefig.facecolor": look.ink("paper"),
        "text.color": look.ink("ink"),
        "axes.labelcolor": look.ink("ink"),
        "axes.edgecolor": look.ink("quiet"),
        "xtick.color": look.ink("quiet"),
        "ytick.color": look.ink("quiet"),
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": look.ink("grid"),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "font.family": "DejaVu Sans",
        "font.size": 8.5,
        "legend.frameon": False,
        "legend.fontsize": 8,
    }


def _panel(ax: Axes, panel: Panel, figure: Figure, look: Look, width: float) -> None:
    heat = any(isinstance(part, Heat) for part in panel.parts)
    if panel.square:
        ax.set_aspect("equal")
    bars = [part for part in panel.parts if isinstance(part, Bars)]
    for part in panel.parts:
        if isinstance(part, Bars):
            _bars(ax, part, look, bars.index(part), len(bars))
        else:
            _DRAWN[type(part)](ax, part, look)
    _axis(ax.xaxis, panel.x)
    _axis(ax.yaxis, panel.y)
    if panel.flip:
        ax.invert_yaxis()
    if heat:
        ax.grid(visible=False)
    elif bars:
        ax.grid(visible=False, axis="x")
    if figure.over_steps(panel):
        _phases(ax, figure, look, width, shaded=not heat)
    _log_ticks(ax.xaxis, panel.x)
    _log_ticks(ax.yaxis, panel.y)
    _legend(
        ax,
        panel,
        look,
        width - 0.8 - tick_room(figure),
        1 + (STRIP if figure.over_steps(panel) and figure.phases else 0),
    )


def _axis(axis: Any, said: Axis) -> None:
    axis.set_label_text(said.title)
    if said.scale == "log":
        axis._set_axes_scale("log", nonpositive="mask")
    if said.range is not None:
        axis.axes.set(**{f"{axis.axis_name}lim": said.range})
    if said.ticks:
        axis.set_ticks([place for place, _ in said.ticks], [label for _, label in said.ticks])
        axis.set_minor_locator(_nothing())
    elif said.scale == "linear":
        axis.set_major_formatter(lambda value, _: _number(value))


def _log_ticks(axis: Any, said: Axis) -> None:
    """Ticks of a logarithmic axis, once its ends are known."""
    if said.scale != "log" or said.ticks:
        return
    low, high = axis.get_view_interval()
    plain = low >= 1e-2 and high < 1e6 and high < 3e4 * low  # powers of ten say little over a few decades
    if plain or high < 1e3 * low:
        places = log_ticks(low, high)
        axis.set_ticks(places, [_number(place) if plain else power(place) for place in places])
        axis.set_minor_formatter(lambda value, _: "")


def _nothing() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def _number(value: float) -> str:
    if abs(value) >= 1e5 and value != int(value):
        return f"{value:.3g}"
    return count(int(value)) if abs(value) >= 1000 and value == int(value) else f"{value:.6g}"


def _line(ax: Axes, part: Line, look: Look) -> None:
    colour = look.ink(part.ink)
    drawn: dict[str, Any] = {"color": colour, "linewidth": 0.9 if part.thin else 1.6, "solid_capstyle": "round"}
    drawn["linestyle"] = _dash(part.ink) if part.joined else "none"
    if part.marker and part.shade is None:
        hollow = part.marker == "triangle-up"
        drawn |= {"marker": MARKERS[part.marker], "markersize": 6 if part.marker in ("cross", "triangle-up") else 4.5}
        drawn |= {"markerfacecolor": "none" if hollow else colour, "markeredgewidth": 1.4 if hollow else 1}
    if part.steps:
        drawn["drawstyle"] = "steps-post"
    ax.plot(part.x, part.y, zorder=2 if part.thin else 3, **drawn)
    if part.low is not None and part.high is not None:
        step = "post" if part.steps else None
        ax.fill_between(part.x, part.low, part.high, step=step, color=colour, alpha=0.15, linewidth=0)
    if part.shade is not None and part.shades is not None:
        colours = _colours(look.ramp, look.lines)
        dots = ax.scatter(part.x, part.y, c=part.shade, cmap=colours, s=16, zorder=4, norm=_norm(part.shades))
        _bar(ax, dots, part.shades)
    for x, y, words in zip(part.x, part.y, part.texts, strict=False):
        ax.annotate(words, (x, y), xytext=(4, 3), textcoords="offset points", fontsize=7, color=look.ink("quiet"))


def _dash(ink: str | float) -> Any:
    return (0, tuple(length / 2.2 for length in DASHES[ink])) if ink in DASHES else "solid"


def _bars(ax: Axes, part: Bars, look: Look, number: int, count: int) -> None:
    """One of the panel's `count` sets of bars, which stand beside each other."""
    colour = look.ink(part.ink)
    gap = float(np.min(np.diff(np.sort(part.x)))) if len(part.x) > 1 else 1.0
    each = 0.8 * gap / count
    x = part.x + each * (number - (count - 1) / 2)
    drawn = ax.bar(x, part.y, each, color=colour, zorder=3)
    for bar, faint in zip(drawn, part.faint if part.faint is not None else [], strict=False):
        bar.set_facecolor(look.faint(part.ink) if faint else colour)
    if part.low is not None and part.high is not None:
        ax.vlines(x, part.low, part.high, color=look.ink("ink"), linewidth=1.1, zorder=4)


def _heat(ax: Axes, part: Heat, look: Look) -> None:
    colours = _colours(look.apart if part.colours == "apart" else look.ramp)
    edges = _edges(part.x), _edges(part.y)
    mesh = ax.pcolormesh(*edges, part.z, cmap=colours, norm=_norm(part.scale), rasterized=True)
    ax.set(xlim=(edges[0][0], edges[0][-1]), ylim=(edges[1][0], edges[1][-1]))
    _bar(ax, mesh, part.scale)
    if part.contours:
        lines = ax.contour(part.x, part.y, part.z, part.contours, colors=look.ink("ink"), linewidths=0.5)
        ax.clabel(lines, fontsize=6.5, fmt=lambda v: f"{v:g}")


def _colours(stops: Sequence[str], within: tuple[float, float] = (0, 1)) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    whole = LinearSegmentedColormap.from_list("latebloom", list(stops))
    if within == (0, 1):
        return whole
    return LinearSegmentedColormap.from_list("latebloom", whole(np.linspace(*within, 64)))


def _norm(said: Axis) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    low, high = said.range if said.range is not None else (None, None)
    return LogNorm(low, high) if said.scale == "log" else Normalize(low, high)


def _bar(ax: Axes, mesh: Any, said: Axis) -> None:
    bar = ax.figure.colorbar(mesh, ax=ax, pad=0.02, aspect=24, shrink=0.8 if ax.get_aspect() == 1 else 1)
    bar.set_label(said.title, fontsize=8)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=7.5)
    if said.ticks:
        bar.set_ticks([place for place, _ in said.ticks], labels=[label for _, label in said.ticks])
    elif said.scale == "log" and mesh.norm.scaled():
        places = log_ticks(mesh.norm.vmin, mesh.norm.vmax)
        bar.set_ticks(places, labels=[power(place) for place in places])


def _edges(middles: np.ndarray) -> np.ndarray:
    if len(middles) == 1:
        return np.array([middles[0] - 0.5, middles[0] + 0.5])
    between = (middles[1:] + middles[:-1]) / 2
    return np.concatenate([[2 * middles[0] - between[0]], between, [2 * middles[-1] - between[-1]]])


def _feet(ax: Axes, part: Feet, look: Look) -> None:
    for low, high in zip(part.low, part.high, strict=True):
        ax.axvspan(low, high, 0, 0.03, color=look.ink(part.ink), linewidth=0.8, zorder=4)


def _tile(ax: Axes, part: Tile, look: Look) -> None:
    from matplotlib.patches import Rectangle

    colour, paper = look.tile(part.ink), look.ink("paper")
    ax.add_patch(Rectangle((part.left, part.bottom), part.width, 1.0, facecolor=colour, edgecolor=paper, linewidth=0.8))


def _text(ax: Axes, part: Text, look: Look) -> None:
    colour = look.ink("tile-ink" if part.on == "tile" else "ink")
    ax.text(part.x, part.y, part.words, ha=part.align, va="center", fontsize=7.5, color=colour, linespacing=1.05)


_DRAWN: dict[type, Any] = {Line: _line, Heat: _heat, Feet: _feet, Tile: _tile, Text: _text}


def _phases(ax: Axes, figure: Figure, look: Look, width: float, shaded: bool) -> None:
    from matplotlib.patches import Rectangle

    if figure.phases and shaded:
        first, end = figure.phases[0].start, figure.phases[-1].end
        ax.set_xlim(first if ax.get_xscale() == "linear" else max(first, 1), end)
    left, right = ax.get_xlim()
    across = ax.get_xaxis_transform()
    room = width - 0.9

    def share(x: float) -> float:
        return float(ax.transAxes.inverted().transform(ax.transData.transform((max(x, left), 1)))[0])

    for span in figure.phases:
        start, end = max(span.start, left), min(span.end, right)
        if end <= start:
            continue
        if shaded:
            ax.axvspan(start, end, color=look.phases[span.name], zorder=0, linewidth=0)
        strip = Rectangle((start, 1), end - start, STRIP, transform=across, color=look.strips[span.name], linewidth=0)
        strip.set_clip_on(False)
        ax.add_artist(strip)
        words = fitting(span.title, room * (share(end) - share(start)))
        ax.annotate(
            words, (start, 1 + STRIP / 2), xycoords=across, xytext=(3, -0.5), textcoords="offset points", va="center",
            fontsize=7, annotation_clip=False,
        )  # fmt: skip
    for mark, shape in zip(figure.marks, EVENTS, strict=False):
        ax.axvline(mark.at, color=look.ink("quiet"), linewidth=0.9, alpha=0.6, zorder=2)
        style = {"color": look.ink("ink"), "transform": across, "clip_on": False, "zorder": 6}
        ax.plot([mark.low, mark.high], [0.975, 0.975], linewidth=2.5, solid_capstyle="butt", **style)
        ax.plot([mark.at], [0.975], shape, markersize=5, markerfacecolor=look.ink("paper"), **style)
    ax.set_xlim(left, right)


def _legend(ax: Axes, panel: Panel, look: Look, width: float, above: float) -> None:
    parts = labelled(panel)
    if not parts:
        ax.set_title(panel.title, y=above + 0.01)
        return
    columns = columns_of([part.label for part in parts], width, LETTER, 0.45)
    ax.legend(
        handles=_by_row([_sample(part, look) for part in parts], columns),
        title=panel.title,
        title_fontproperties={"weight": "bold", "size": 9.5},
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(-0.01, above + 0.005),
        borderaxespad=0,
        borderpad=0.2,
        ncols=columns,
        handlelength=2.4,
        columnspacing=1.2,
        labelspacing=0.25,
    )


def _by_row(handles: Sequence[Any], columns: int) -> list[Any]:
    """Entries in the order that fills a legend's rows first: matplotlib fills its columns."""
    return [handle for column in range(columns) for handle in handles[column::columns]]


def _sample(part: Line | Bars, look: Look) -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colour = look.ink(part.ink)
    if isinstance(part, Bars):
        return Patch(facecolor=colour, label=part.label)
    if part.low is not None and not part.joined and not part.marker:
        return Patch(facecolor=colour, alpha=0.3, label=part.label)
    sample = Line2D([], [], color=colour, label=part.label, linewidth=1.6)
    sample.set_linestyle(_dash(part.ink) if part.joined else "none")
    if part.marker:
        sample.set(marker=MARKERS[part.marker], markersize=5)
        if part.marker == "triangle-up":
            sample.set_markerfacecolor("none")
    return sample


def _below(figure: Figure, look: Look, width: float) -> tuple[list[list[Any]], list[str]]:
    """The figure's own legend, line by line, and the lines of its note."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Any] = []
    if any(figure.over_steps(panel) for panel in figure.panels):
        handles += [Patch(facecolor=look.strips[span.name], label=span.title) for span in figure.phases]
        for mark, shape in zip(figure.marks, EVENTS, strict=False):
            sample: dict[str, Any] = {
                "color": look.ink("ink"),
                "markerfacecolor": look.ink("paper"),
                "linestyle": "none",
            }
            handles.append(Line2D([], [], marker=shape, markersize=5, label=mark_words(mark), **sample))
    handles += [Patch(facecolor=look.ink(key.ink), label=key.label) for key in figure.keys]
    lines = lines_of([handle.get_label() for handle in handles], width - 0.3, LETTER, 0.45)
    return [[handles[i] for i in line] for line in lines if line], wrapped(figure.note, width)


def _write_below(drawn: Drawn, key: list[list[Any]], note: list[str], look: Look, width: float, height: float) -> None:
    for i, handles in enumerate(key):
        up = 0.06 + 0.185 * (len(note) + len(key) - 1 - i)
        placed: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.1 / width, up / height), "borderpad": 0.0}
        shape: dict[str, Any] = {"borderaxespad": 0.0, "columnspacing": 1.4, "handlelength": 1.5}
        drawn.legend(handles=handles, ncols=len(handles), **placed, **shape).set_in_layout(False)
    quiet: dict[str, Any] = {"fontsize": 7.5, "color": look.ink("quiet"), "va": "bottom", "linespacing": 1.35}
    drawn.text(0.1 / width, 0.07 / height, "\n".join(note), **quiet).set_in_layout(False)

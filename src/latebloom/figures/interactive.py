"""Figures drawn by Plotly: a page that asks nothing of the network, and notebooks. Nothing is computed here."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from latebloom.errors import LatebloomError, installing
from latebloom.figures.legend import fitting, labelled, lines_of, mark_words, tick_room, width_of, wrapped
from latebloom.figures.spec import Axis, Bars, Feet, Figure, Heat, Line, Panel, Text, Theme, Tile
from latebloom.figures.theme import DASHES, THEMES, Look
from latebloom.views.ticks import log_ticks, power

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as Drawn

INCH = 108
"""Pixels to an inch of the still figures."""
LEFT, RIGHT, TOP = 66, 18, 52
BAR = 86
"""Pixels beside a panel for the scale of its colours."""
LINE = 19
"""Pixels of a line of text."""
STRIP = 16
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
SYMBOLS = {
    "circle": "circle",
    "triangle-up": "triangle-up-open",
    "triangle-down": "triangle-down",
    "diamond": "diamond",
    "cross": "cross-thin-open",
    "dot": "circle",
}
EVENTS = ("▼", "◆", "■", "●", "✖")


def page(figure: Figure, theme: Theme = "light") -> str:
    """A whole HTML page, Plotly's script inside.

    Raises:
        LatebloomError: Plotly is not installed.
    """
    drawn, look = draw(figure, theme), THEMES[theme]
    body = drawn.to_html(include_plotlyjs=True, full_html=False, config={"displaylogo": False, "responsive": True})
    style = f"body{{margin:16px;background:{look.ink('paper')};color:{look.ink('ink')};font-family:{FONT}}}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{html.escape(figure.title)}</title>'
        f"<style>{style}</style></head><body>{body}</body></html>\n"
    )


def plotly_json(figure: Figure, theme: Theme = "light") -> dict[str, Any]:
    """The figure as Plotly's JSON, for notebooks.

    Raises:
        LatebloomError: Plotly is not installed.
    """
    import json

    return json.loads(draw(figure, theme).to_json() or "{}")


def _escaped(words: str) -> str:
    """Plotly reads texts as HTML; names in a run are data. No text stands in an attribute."""
    return html.escape(words, quote=False)


@dataclass(frozen=True)
class _Place:
    """Where a panel stands, in pixels from the figure's left and top."""

    number: int
    panel: Panel
    left: float
    top: float
    width: float
    height: float

    @property
    def id(self) -> str:
        return "" if self.number == 1 else str(self.number)


def draw(figure: Figure, theme: Theme = "light") -> Drawn:
    """The figure as Plotly's.

    Raises:
        LatebloomError: Plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise LatebloomError(
            f"expected Plotly for HTML figures, it is not installed: {installing('figures')}"
        ) from None
    look, width = THEMES[theme], width_of(figure) * INCH
    places, bottom = _places(figure, width)
    words = list(_below(figure, look, width))
    height = bottom + 14 + LINE * len(words)
    drawn = go.Figure()
    for place in places:
        _panel(drawn, place, figure, look, width, height)
    text = [_at(word, LEFT / 3, bottom + 10 + LINE * i, width, height) for i, word in enumerate(words)]
    drawn.update_layout(
        title={"text": f"<b>{_escaped(figure.title)}</b>", "x": LEFT / 3 / width, "y": 1 - 20 / height},
        title_font_size=17,
        width=width,
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        showlegend=False,
        font={"family": FONT, "size": 13, "color": look.ink("ink")},
        paper_bgcolor=look.ink("paper"),
        plot_bgcolor=look.ink("paper"),
        hoverlabel={"font_family": FONT},
        annotations=[*drawn.layout.annotations, *text],
        bargap=0.2,
        template="none",
    )
    return drawn


def _places(figure: Figure, width: float) -> tuple[list[_Place], float]:
    """Where all panels stand, and where they end."""
    rows, places, top = figure.rows(), [], float(TOP)
    columns = max(len(row) for row in rows)
    for row in rows:
        each = (width - RIGHT) / (1 if row[0].wide else columns)
        top += LINE * (1 + max(len(_legend_lines(panel, each - LEFT)) for panel in row)) + STRIP
        for i, panel in enumerate(row):
            left = LEFT + tick_room(figure) * INCH
            room = each - left - (BAR if _has_scale(panel) else 0)
            size = (room, figure.height * INCH)
            if panel.square:
                size = (min(size), min(size))
            places.append(_Place(len(places) + 1, panel, left + i * each, top, *size))
        top += figure.height * INCH + 56
    return places, top


def _has_scale(panel: Panel) -> bool:
    return any(isinstance(p, Heat) or (isinstance(p, Line) and p.shade is not None) for p in panel.parts)


def _panel(drawn: Drawn, place: _Place, figure: Figure, look: Look, width: float, height: float) -> None:
    panel = place.panel
    for part in panel.parts:
        _DRAWN[type(part)](drawn, part, place, look, width, height)
    across = (place.left / width, (place.left + place.width) / width)
    up = (1 - (place.top + place.height) / height, 1 - place.top / height)
    plain = any(isinstance(part, Heat) for part in panel.parts)
    shared = {"gridcolor": look.ink("grid"), "linecolor": look.ink("quiet"), "tickcolor": look.ink("quiet")}
    shared |= {"tickfont_color": look.ink("quiet"), "zeroline": False, "showgrid": not plain, "ticks": "outside"}
    x = shared | _axis(panel.x) | {"domain": across, "anchor": f"y{place.id}", "showline": True}
    y = shared | _axis(panel.y) | {"domain": up, "anchor": f"x{place.id}", "showline": True}
    if figure.over_steps(panel) and figure.phases and not plain:
        first, end = figure.phases[0].start, figure.phases[-1].end
        x["range"] = (first, end) if panel.x.scale == "linear" else (np.log10(max(first, 1)), np.log10(end))
    if panel.square:
        y |= {"scaleanchor": f"x{place.id}"}
    if panel.flip:
        y["autorange"] = "reversed"
    drawn.update_layout({f"xaxis{place.id}": x, f"yaxis{place.id}": y})
    if figure.over_steps(panel):
        _phases(drawn, place, figure, look, shaded=not plain)
    lines = [f"<b>{_escaped(panel.title)}</b>", *_legend_lines(panel, place.width, look)]
    top = place.top - LINE * len(lines) - (STRIP if figure.over_steps(panel) and figure.phases else 4)
    for i, line in enumerate(lines):
        drawn.add_annotation(_at(line, place.left, top + LINE * i, width, height))


def _at(words: str, left: float, top: float, width: float, height: float) -> dict[str, Any]:
    where = {"xref": "paper", "yref": "paper", "x": left / width, "y": 1 - top / height}
    return where | {"xanchor": "left", "yanchor": "top", "align": "left", "text": words, "showarrow": False}


def _axis(said: Axis) -> dict[str, Any]:
    title = {"text": _escaped(said.title), "standoff": 6, "font": {"size": 13}}
    made: dict[str, Any] = {"title": title, "tickfont_size": 12}
    if said.scale == "log":
        made |= {"type": "log", "exponentformat": "power"}
    if said.range is not None:
        made["range"] = tuple(np.log10(said.range)) if said.scale == "log" else said.range
    if said.ticks:
        made |= {"tickvals": [at for at, _ in said.ticks], "ticktext": [words for _, words in said.ticks]}
    return made


def _on(place: _Place) -> dict[str, str]:
    return {"xaxis": f"x{place.id}", "yaxis": f"y{place.id}"}


def _seen(values: np.ndarray | None, said: Axis) -> Any:
    """Numbers as Plotly takes them: None leaves a gap, and so does what a logarithmic axis cannot show."""
    if values is None:
        return None
    values = np.asarray(values, dtype=np.float64)
    bad = ~np.isfinite(values) | ((values <= 0) if said.scale == "log" else False)
    return [None if skip else v for v, skip in zip(values.tolist(), bad.tolist(), strict=True)]


def _line(drawn: Drawn, part: Line, place: _Place, look: Look, width: float, height: float) -> None:
    colour, x, y = look.ink(part.ink), place.panel.x, place.panel.y
    shape = {"shape": "hv"} if part.steps else {}
    on: dict[str, Any] = {"x": _seen(part.x, x), "hoverinfo": "skip", "mode": "lines", "line_width": 0} | _on(place)
    if part.low is not None and part.high is not None:
        drawn.add_scatter(y=_seen(part.high, y), line=shape, **on)
        fill = {"fill": "tonexty", "fillcolor": _faded(colour, 0.15)}
        drawn.add_scatter(y=_seen(part.low, y), line=shape, **fill, **on)
    dashes = ",".join(f"{d}px" for d in DASHES.get(part.ink, ())) if isinstance(part.ink, str) else ""
    marker: dict[str, Any] = {"size": 7, "color": colour, "symbol": SYMBOLS.get(part.marker, "circle")}
    marker["line"] = {"width": 1.5, "color": colour}
    if part.shade is not None and part.shades is not None:
        marker = {"size": 7, "color": part.shade.tolist(), "colorscale": _colours(look.ramp, look.lines)}
        marker |= {"showscale": True, "colorbar": _bar(part.shades, place, width, height)}
    parts = [*(["lines"] if part.joined else []), *(["markers"] if part.marker or part.shade is not None else [])]
    texts = {"text": [_escaped(t) for t in part.texts], "textposition": "top right"} if part.texts else {}
    said = f"{_escaped(x.label)} %{{x}}<br>%{{y:.4g}} {_escaped(y.unit)}"
    drawn.add_scatter(
        x=_seen(part.x, x),
        y=_seen(part.y, y),
        name=_escaped(part.label or y.label),
        mode="+".join([*parts, *(["text"] if texts else [])]) or "none",  # a band alone
        line={"color": colour, "width": 1.2 if part.thin else 2.2, "dash": dashes or "solid"} | shape,
        marker=marker,
        hovertemplate=said,
        connectgaps=False,
        **texts,
        **_on(place),
    )


def _faded(colour: str, share: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def _colours(stops: Sequence[str], within: tuple[float, float] = (0, 1)) -> list[tuple[float, str]]:
    from latebloom.figures.theme import blend

    low, high = within
    return [(i / 16, blend(tuple(stops), low + (high - low) * i / 16)) for i in range(17)]


def _bar(said: Axis, place: _Place, width: float, height: float) -> dict[str, Any]:
    made: dict[str, Any] = {
        "title": {"text": _escaped(said.title), "side": "right"},
        "x": (place.left + place.width + 8) / width,
        "xanchor": "left",
        "y": 1 - (place.top + place.height / 2) / height,
        "len": place.height,
        "lenmode": "pixels",
        "thickness": 12,
        "outlinewidth": 0,
    }
    if said.scale == "log":
        places = log_ticks(*(said.range or (1.0, 10.0)))
        made |= {"tickvals": np.log10(places).tolist(), "ticktext": [power(place) for place in places]}
    if said.ticks:
        made |= {"tickvals": [at for at, _ in said.ticks], "ticktext": [words for _, words in said.ticks]}
    return made


def _bars(drawn: Drawn, part: Bars, place: _Place, look: Look, width: float, height: float) -> None:
    faint = part.faint if part.faint is not None else np.zeros(len(part.x), dtype=bool)
    error = {}
    if part.low is not None and part.high is not None:
        above, below = np.nan_to_num(part.high - part.y), np.nan_to_num(part.y - part.low)
        error = {"type": "data", "symmetric": False, "array": above.tolist(), "arrayminus": below.tolist()}
        error |= {"color": look.ink("ink"), "thickness": 1.2, "width": 0}
    drawn.add_bar(
        x=part.x.tolist(),
        y=_seen(part.y, place.panel.y),
        name=_escaped(part.label or place.panel.y.label),
        marker={"color": [look.faint(part.ink) if f else look.ink(part.ink) for f in faint], "line_width": 0},
        hovertemplate=f"{_escaped(place.panel.x.label)} %{{x}}: %{{y:.4g}}",
        **({"error_y": error} if error else {}),
        **_on(place),
    )


def _heat(drawn: Drawn, part: Heat, place: _Place, look: Look, width: float, height: float) -> None:
    said = part.scale
    with np.errstate(all="ignore"):
        z = np.log10(part.z) if said.scale == "log" else np.asarray(part.z, dtype=np.float64)
    known = z[np.isfinite(z)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    if said.range is not None:
        low, high = np.log10(said.range) if said.scale == "log" else said.range
    ends = (float(10**low), float(10**high)) if said.scale == "log" else None
    bar = _bar(replace(said, range=ends), place, width, height)
    drawn.add_heatmap(
        x=part.x.tolist(),
        y=part.y.tolist(),
        z=[[None if not np.isfinite(v) else round(float(v), 5) for v in row] for row in z],
        zmin=float(low),
        zmax=float(high),
        colorscale=_colours(look.apart if part.colours == "apart" else look.ramp),
        colorbar=bar,
        hovertemplate=f"{_escaped(place.panel.x.label)} %{{x}}<br>{_escaped(place.panel.y.label)} %{{y}}<br>"
        f"{'log10 ' if said.scale == 'log' else ''}{_escaped(said.label)} %{{z:.4g}}<extra></extra>",
        **_on(place),
    )
    for level in part.contours:
        at = float(np.log10(level)) if said.scale == "log" else level
        drawn.add_contour(
            x=part.x.tolist(), y=part.y.tolist(), z=z.tolist(), showscale=False, hoverinfo="skip",
            autocontour=False, contours={"start": at, "end": at, "size": 1, "coloring": "none"},
            line={"color": look.ink("ink"), "width": 0.7}, **_on(place),
        )  # fmt: skip


def _feet(drawn: Drawn, part: Feet, place: _Place, look: Look, width: float, height: float) -> None:
    on = {"xref": f"x{place.id}", "yref": f"y{place.id} domain"}
    colour = look.ink(part.ink)
    for low, high in zip(part.low.tolist(), part.high.tolist(), strict=True):
        low = max(low, 1.0) if place.panel.x.scale == "log" else low
        box = {"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 0.03, **on}
        drawn.add_shape(fillcolor=colour, line={"color": colour, "width": 1}, **box)


def _tile(drawn: Drawn, part: Tile, place: _Place, look: Look, width: float, height: float) -> None:
    left, right = part.left, part.left + part.width
    drawn.add_scatter(
        x=[left, right, right, left, left], y=[part.bottom, part.bottom, part.bottom + 1, part.bottom + 1, part.bottom],
        mode="lines", fill="toself", fillcolor=look.tile(part.ink), line={"color": look.ink("paper"), "width": 1},
        hoverinfo="skip", **_on(place),
    )  # fmt: skip


def _text(drawn: Drawn, part: Text, place: _Place, look: Look, width: float, height: float) -> None:
    drawn.add_annotation(
        x=part.x, y=part.y, xref=f"x{place.id}", yref=f"y{place.id}", showarrow=False, xanchor=part.align,
        text=_escaped(part.words).replace("\n", "<br>"),
        font={"size": 11, "color": look.ink("tile-ink" if part.on == "tile" else "ink")},
    )  # fmt: skip


_DRAWN: dict[type, Any] = {Line: _line, Bars: _bars, Heat: _heat, Feet: _feet, Tile: _tile, Text: _text}


def _phases(drawn: Drawn, place: _Place, figure: Figure, look: Look, shaded: bool) -> None:
    log = place.panel.x.scale == "log"
    on = {"xref": f"x{place.id}", "yref": f"y{place.id} domain"}
    high = STRIP / place.height
    last = max((span.end for span in figure.phases), default=1.0)
    for span in figure.phases:
        start = max(span.start, 1.0) if log else span.start
        box = {"type": "rect", "x0": start, "x1": span.end, "line_width": 0, **on}
        if shaded:
            drawn.add_shape(y0=0, y1=1, fillcolor=look.phases[span.name], layer="below", **box)
        drawn.add_shape(y0=1, y1=1 + high, fillcolor=look.strips[span.name], layer="below", **box)
        share = np.log10(span.end / start) / np.log10(last) if log else (span.end - start) / last
        words = fitting(span.title, place.width / INCH * share)
        if words:
            drawn.add_annotation(
                x=np.log10(start) if log else start, y=1, yanchor="bottom", xanchor="left", showarrow=False,
                text=words, font={"size": 11}, borderpad=1, **on,
            )  # fmt: skip
    for mark, shape in zip(figure.marks, EVENTS, strict=False):
        line = {"color": look.ink("quiet"), "width": 1}
        drawn.add_shape(type="line", x0=mark.at, x1=mark.at, y0=0, y1=1, line=line, opacity=0.6, **on)
        bar = {"color": look.ink("ink"), "width": 3}
        drawn.add_shape(type="line", x0=mark.low, x1=mark.high, y0=1, y1=1, line=bar, **on)
        drawn.add_annotation(
            x=np.log10(max(mark.at, 1)) if log else mark.at, y=1, yanchor="middle", showarrow=False, text=shape,
            hovertext=mark_words(mark), font={"size": 12}, **on,
        )  # fmt: skip


def _legend_lines(panel: Panel, room: float, look: Look | None = None) -> list[str]:
    """The entries of a panel's legend, with their samples, in lines that fit."""
    parts = labelled(panel)
    if not parts:
        return []
    lines = lines_of([part.label for part in parts], room / INCH, 0.066, 0.42)
    return ["   ".join(_entry(parts[i], look) for i in line) for line in lines]


def _entry(part: Line | Bars, look: Look | None) -> str:
    sample = "■" if isinstance(part, Bars) else _stroke(part)
    colour = look.ink(part.ink) if look else "#000000"
    return f'<span style="color:{colour}">{sample}</span> {_escaped(part.label)}'


def _stroke(part: Line) -> str:
    if not part.joined:
        return {"triangle-up": "△", "triangle-down": "▽", "diamond": "◆", "cross": "+"}.get(part.marker, "●")
    return {"train": "╍╍", "two": "━╍", "three": "╍╍", "four": "━·", "five": "┅┅", "extra": "┈┈"}.get(
        str(part.ink), "━━"
    )


def _below(figure: Figure, look: Look, width: float) -> Iterator[str]:
    entries: list[tuple[str, str]] = []
    if any(figure.over_steps(panel) for panel in figure.panels):
        entries += [(f'<span style="color:{look.strips[span.name]}">■</span>', span.title) for span in figure.phases]
        entries += [(shape, mark_words(mark)) for mark, shape in zip(figure.marks, EVENTS, strict=False)]
    entries += [(f'<span style="color:{look.ink(key.ink)}">■</span>', key.label) for key in figure.keys]
    if entries:
        for line in lines_of([label for _, label in entries], width / INCH - 0.4, 0.066, 0.35):
            yield "   ".join(f"{entries[i][0]} {_escaped(entries[i][1])}" for i in line)
    quiet = f'<span style="color:{look.ink("quiet")}">'
    yield from (f"{quiet}{_escaped(line)}</span>" for line in wrapped(figure.note, width / INCH - 0.4, 0.062))

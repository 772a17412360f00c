"""One self-contained HTML file of one run: what happened, the figures, the definitions, and where it comes from."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from latebloom import __version__
from latebloom.analysis import Event, event_from_json, find_events, phases
from latebloom.analysis.forked import compare, twin_of
from latebloom.errors import LatebloomError
from latebloom.measures import RECORDS, Record
from latebloom.store.layout import write_whole
from latebloom.views import beside, findings, tables
from latebloom.views.embed import describe, forked_at, page_data
from latebloom.views.figures import AXES, LESS, TWIN, Figure
from latebloom.views.markup import Html, join, json_for_script, tag
from latebloom.views.sections import choose

if TYPE_CHECKING:
    import polars as pl
    import xarray

    from latebloom.store import Run

PAGE = files("latebloom.views") / "page"
SCRIPTS = (
    "format",
    "data",
    "timeline",
    "scales",
    "svg",
    "frame",
    "lines",
    "stack",
    "heat",
    "player",
    "theme",
    "all",
    "report",
)
"""ES modules in the order of their imports; in the page they are one script, their import and export words left out."""


def write_report(run: Run) -> Path:
    """Write `report.html` into the run's folder, whole or not at all.

    Args:
        run: finished or not; of an unfinished one, what has been logged so far.

    Returns:
        The file.

    Raises:
        LatebloomError: the folder cannot be written.
    """
    return write_page(render_report(run), run.folder / "report.html", "latebloom report")


def write_page(page: str, path: Path, command: str) -> Path:
    """Write a page, whole or not at all.

    Args:
        page: its HTML.
        path: the file.
        command: which writes it again, for messages.

    Raises:
        LatebloomError: the folder cannot be written.
    """
    try:
        write_whole(path, page.encode())
    except OSError as error:
        raise LatebloomError(
            f"The report {path} cannot be written ({error.strerror}): see to the disk and to the folder's permissions, "
            f"and run `{command}` again."
        ) from error
    return path


def render_report(run: Run) -> str:
    """The report as HTML: no file beside it, nothing fetched from anywhere.

    Args:
        run: finished or not.
    """
    style, script = page_text("report.css"), bundle()
    return Template(page_text("report.html")).substitute(
        page_parts(run, twin_of(run)), policy=policy(style, script), style=style, script=script, version=__version__
    )


def page_parts(run: Run, twin: Run | None = None) -> dict[str, Html]:
    """What a run's page says and shows, piece by piece, by the names in `report.html`.

    Args:
        run: finished or not; of an unfinished one, what has been logged so far.
        twin: of a fork, the untouched run that it is shown beside.
    """
    scalars, arrays, left_out = one_run(run.scalars, run.arrays)
    compared = Html("")
    if twin is not None and run.spec.get("fork") and "step" in scalars.columns:
        try:
            compared = beside.told(compare(run, twin))
            scalars = beside.with_twin(scalars, twin.scalars)
        except LatebloomError as error:
            left_out.append(f"It is not shown beside its twin: {error}")
        except (KeyError, TypeError, ValueError) as error:  # a file that was changed by hand
            left_out.append(f"It is not shown beside its twin: its facts are not as latebloom writes them ({error!r}).")
    # by today's rules, which are a function of the log; the events that were stored with it are those of its time
    events = find_events(scalars) if "step" in scalars.columns else [event_from_json(event) for event in run.events]
    last = int(scalars["step"][-1]) if len(scalars) else None
    figures = choose(scalars, arrays)
    data = page_data(scalars, arrays, figures, events, phases(events, last or 0))
    notes = [*left_out, *data.pop("notes")]
    if figures.undrawn:
        notes.append(f"Logged, but not drawn: {', '.join(figures.undrawn)}.")
    logged = [n for n in scalars.columns if not n.endswith((TWIN, LESS))]
    names = [n for n in (*logged, *map(str, arrays.data_vars)) if n not in AXES]
    summary, spec = run.summary, run.spec
    timing = {"timing": summary["timing"]} if summary.get("timing") else {}
    title = findings.task_title(spec, summary)
    records = tables.own_records(summary.get("definitions")) | RECORDS
    drawn = {part: join(*(_figure(f, data, records) for f in listed)) for part, listed in figures.sections.items()}
    said = {"beside": compared, "learning": _quiet(findings.two_kinds(events))}
    fork = spec.get("fork")
    if isinstance(fork, dict) and isinstance(fork.get("step"), int):
        data["events"].append(forked_at(fork["step"]))
    return {part: _section(part, html, said.get(part, Html(""))) for part, html in drawn.items()} | {
        "title": join(f"{title} · {run.id}"),
        "head": _head(run, title, events, last),
        "notes": join(*(tag("p", note, class_="quiet") for note in notes)),
        "events": join(tables.events_table(events, last or 0), _paragraph(findings.delay_range(events))),
        "definitions": tables.definitions(names, records),
        "spec": tables.spec_cards(spec),
        "provenance": tables.provenance_cards(run.provenance | timing),
        "missing": tables.missing_list(summary.get("missing") or {}),
        "data": json_for_script(data),
    }


HEADINGS = {
    "learning": "Learning curves",
    "beside": "Beside its twin",
    "circuit": "The circuit",
    "curvature": "Curvature, updates, precision",
    "scale": "Norms, scale, sparsity",
    "spectra": "Spectra over training",
    "more": "Further measures",
}


def _section(part: str, html: Html, words: Html) -> Html:
    if not html and not words:
        return Html("")
    title, figures = HEADINGS[part], tag("div", html, class_=part)
    if part == "more":
        return tag("section", tag("details", tag("summary", tag("h2", title)), figures, class_="rest"))
    heading = tag("h2", title, class_="unseen" if part == "learning" else None)
    return tag("section", heading, words, figures, id=None if part == "learning" else f"section-{part}")


def one_run(scalars: pl.DataFrame, arrays: xarray.Dataset) -> tuple[pl.DataFrame, xarray.Dataset, list[str]]:
    """The first run's numbers by step, where several were trained together."""
    left_out = []
    if "run" in scalars.columns and scalars["run"].n_unique() > 1:
        first = scalars["run"].min()
        left_out = [f"These are the numbers of run {first}, the first of {scalars['run'].n_unique()} trained together."]
        scalars = scalars.filter(scalars["run"] == first)
    if "run" in arrays.dims:
        arrays = arrays.isel(run=0)
    if "step" in scalars.columns:
        scalars = scalars.sort("step")
    return scalars, arrays, left_out


def _head(run: Run, title: str, events: list[Event], last: int | None) -> Html:
    total = run.spec.get("steps")
    badge = None
    if run.state != "done":
        at = "nothing logged" if last is None else f"step {findings.count(last)}"
        of = f" of {findings.count(total)}" if isinstance(total, int) else ""
        badge = tag("span", f"{run.state}: {at}{of}", class_="badge", data_state=run.state)
    error = run.status.error
    imported = run.provenance.get("imported")
    if isinstance(imported, dict):
        said, lede, setting = findings.of_imported(imported, run.summary.get("final"), run.spec)
    else:
        said, setting = findings.headline(events, last), findings.setting(run.spec)
        lede = findings.details(events)
    return join(
        tag("p", tag("strong", title), tag("code", run.id), badge, class_="over"),
        tag("h1", said),
        tag("div", *map(_paragraph, lede), _paragraph(findings.of_fork(run.provenance.get("fork"))), class_="lede"),
        tag("p", f"It ended with: {error}", class_="error") if error else None,
        tag("p", setting, class_="setting"),
    )


def _figure(figure: Figure, data: dict[str, Any], records: Mapping[str, Record]) -> Html:
    about = f"about-{figure.id}"
    button = tag("button", figure.title, type="button", class_="about", aria_describedby=about)
    title = tag("div", tag("h3", button), tables.tooltip(figure.measures, about, records), class_="title")
    caption = tag("figcaption", title, tag("div", class_="legend"))
    plot = tag("div", class_="plot", role="img", aria_label=describe(figure, data))
    classes = [figure.kind, *(["tall"] if figure.tall else []), *(["wide"] if figure.wide else [])]
    # once a section: the wide figure comes first
    marked = figure.wide and data["changes"].get(figure.parts)
    told = _quiet(CHANGED.format(figure.parts.replace("_", " "))) if marked else None
    return tag("figure", caption, plot, told, id=figure.id, class_=" ".join(classes))


CHANGED = (
    "Bars at the foot, here and below: between these steps the {} changed (point at one: it says which), "
    "and curves that are taken of them may jump."
)


def _quiet(sentence: str) -> Html:
    return tag("p", sentence, class_="quiet") if sentence else Html("")


def _paragraph(sentence: str) -> Html | None:
    return tag("p", sentence) if sentence else None


def page_text(name: str) -> str:
    """A file of the pages' styles and scripts."""
    return (PAGE / name).read_text(encoding="utf-8")


def bundle(scripts: Iterable[str] = SCRIPTS, own: str = "") -> str:
    """Modules of the page, and then a script of one's own, as one script."""
    whole = "\n".join([*(page_text(f"{name}.js") for name in scripts), own])
    plain = re.sub(r"^export ", "", re.sub(r"^import [^;]*;\n", "", whole, flags=re.M), flags=re.M)
    return f'(() => {{\n"use strict";\n{plain}}})();\n'


def policy(style: str, script: str) -> str:
    """Nothing may be fetched, and only this very style and script may run."""
    rules = (f"style-src {_hash(style)}", f"script-src {_hash(script)}", "base-uri 'none'", "form-action 'none'")
    return "; ".join(("default-src 'none'", *rules))


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

"""The parts of a report that are read: events, definitions, spec, provenance."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from latebloom.analysis import GROUPS, Crossing, Event
from latebloom.measures import RECORDS, Record
from latebloom.views.findings import count, threshold, two_kinds
from latebloom.views.markup import Html, join, tag

STRIP = 260
"""Width of the small pictures in the table of events, in pixels."""


def events_table(events: Sequence[Event], last: int) -> Html:
    """Every event with its rule, interval, and the same rule at other thresholds."""
    if not events:
        return tag("p", "No accuracies were logged, so no event could be looked for.", class_="quiet")
    told = "The bold rows are the events; the others tell when the same rule holds at other thresholds."
    parts = [tag("p", f"{told} {two_kinds(events)}".rstrip(), class_="quiet")]
    for group, title in GROUPS.items():
        if listed := [event for event in events if event.group == group]:
            table = scrolled(_group_table(listed, last), title)
            shut = tag("details", tag("summary", tag("h3", title)), table)
            parts.append(shut if group == "task-independent" else join(tag("h3", title), table))
    return join(*parts)


def _group_table(events: Sequence[Event], last: int) -> Html:
    body = [row for event in events for row in _event_rows(event, last)]
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in HEADS)))
    return tag("table", head, tag("tbody", *body), class_="events rules")


HEADS = ("threshold", "step", "between", "where, from step 0 to the last")
KEYS = {"live": "Key frequencies of each step.", "all": "All frequencies.", "final": "The final network's frequencies."}


def _event_rows(event: Event, last: int) -> list[Html]:
    own = event.found.threshold
    crossings = sorted([event.found, *event.sensitivity], key=lambda c: c.threshold)
    if all(crossing.step is None for crossing in crossings):
        crossings = [event.found]
    told = " ".join(part for part in (f"{event.rule}.", KEYS.get(event.keys, ""), *_sentences(event.notes)) if part)
    rule = tag("span", told, class_="rule")
    name = tag("th", tag("strong", event.title), rule, scope="rowgroup", colspan=len(HEADS))
    rows = [tag("tr", name, class_="first")]
    for crossing in crossings:
        cells = [tag("td", threshold(event, crossing), class_="number"), *_when(crossing)]
        cells.append(tag("td", _strip(crossing, event.name, last, crossing.threshold == own)))
        rows.append(tag("tr", *cells, class_="own" if crossing.threshold == own else None))
    return rows


def _sentences(notes: Iterable[str]) -> list[str]:
    return [f"{note[:1].upper()}{note[1:]}." for note in notes]


def _when(crossing: Crossing) -> list[Html]:
    if crossing.step is not None:
        between = crossing.interval or (crossing.step, crossing.step)
        said = f"{count(between[0])} and {count(between[1])}" if between[0] < between[1] else "the first logged"
        return [tag("td", count(crossing.step), class_="number"), tag("td", said, class_="number")]
    at = f"censored at {count(crossing.censored_at)}" if crossing.censored_at is not None else "no"
    return [tag("td", at, class_="number"), tag("td", tag("span", crossing.reason, class_="rule"))]


def _strip(crossing: Crossing, name: str, last: int, own: bool) -> Html:
    """Where the crossing lies between step 0 and the last, placed at log(1 + step)."""

    def x(step: int) -> float:
        return 8 + (STRIP - 16) * (math.log1p(step) / math.log1p(last) if last else 0)

    if crossing.step is None:
        end, said = x(last), "not seen up to the last step"
        mark = tag("path", d=f"M{end - 7:.1f} 5l6 5l-6 5", class_="open")
    else:
        end, said = x(crossing.step), f"step {crossing.step}"
        mark = tag("circle", cx=f"{end:.1f}", cy=10, r=5 if own else 3.5)
    line = tag("line", x1=8, x2=STRIP - 8, y1=10, y2=10, class_="track")
    run_up = tag("line", x1=8, x2=f"{end:.1f}", y1=10, y2=10, class_="run-up")
    label = f"{said}, on a logarithmic axis"
    return tag(
        "svg",
        line,
        run_up,
        mark,
        viewBox=f"0 0 {STRIP} 20",
        width=STRIP,
        height=20,
        role="img",
        aria_label=label,
        class_=f"strip {name}",
    )


def tooltip(names: Iterable[str], id: str, records: Mapping[str, Record] = RECORDS) -> Html:
    """The definitions of what one figure shows."""
    return tag("div", *(_definition(name, records) for name in names), role="tooltip", id=id, class_="tooltip")


def _definition(name: str, records: Mapping[str, Record]) -> Html:
    record = records.get(name)
    if record is None:
        return tag("div", tag("code", name), tag("p", "No definition is recorded for this name."))
    told = {"units": _units(record.units), "variant": record.variant, "source": record.source}
    told["disputed"] = record.disputes
    rows = [join(tag("dt", word), tag("dd", what)) for word, what in told.items() if what]
    head = tag("p", tag("strong", record.title), " ", tag("code", name))
    return tag("div", head, tag("p", record.formula, class_="formula"), tag("dl", *rows))


def _units(units: str) -> str:
    return "none (a pure number)" if units == "1" else units


TEXTS = ("name", "title", "formula", "units", "variant", "source", "disputes")
"""Of a record, as a run's summary holds it."""


def own_records(told: Any) -> dict[str, Record]:
    """The definitions that a run's summary holds of measures of its user's own; what is not as written is left out."""
    kept = [entry for entry in told if isinstance(entry, dict)] if isinstance(told, list) else []
    texts: list[dict[str, Any]] = [{name: str(entry.get(name, "")) for name in TEXTS} for entry in kept]
    return {text["name"]: Record(**text) for text in texts}


def definitions(names: Iterable[str], records: Mapping[str, Record] = RECORDS) -> Html:
    """The table of all that was logged, for the end of the page."""
    heads = ("number", "formula", "units", "variant", "source and disputes")
    rows = []
    for name in names:
        record = records.get(name)
        title = join(record.title, tag("br")) if record else None
        cells: list[Any] = ["no definition is recorded for this name", "", "", ""]
        if record:
            disputes = f" Disputed: {record.disputes}." if record.disputes else ""
            cells = [record.formula, _units(record.units), record.variant, record.source + "." + disputes]
        cells = [tag("td", c, data_head=h) for c, h in zip(cells, heads[1:], strict=True)]
        rows.append(tag("tr", tag("th", title, tag("code", name), scope="row"), *cells))
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in heads)))
    return scrolled(tag("table", head, tag("tbody", *rows), class_="definitions"), "Definitions")


def spec_cards(spec: Mapping[str, Any]) -> Html:
    """The spec by part; single settings together first."""
    single = {key: value for key, value in spec.items() if not isinstance(value, Mapping)}
    parts = [("run", single), *((key, value) for key, value in spec.items() if isinstance(value, Mapping))]
    return tag("div", *(_card(title, values) for title, values in parts if values), class_="cards")


def provenance_cards(provenance: Mapping[str, Any]) -> Html:
    """Whatever is known of where the run comes from; nested tables become cards of their own."""
    return spec_cards(provenance) if provenance else tag("p", "No provenance was recorded.", class_="quiet")


def _card(title: str, values: Mapping[str, Any]) -> Html:
    rows = [join(tag("dt", re.sub("_s$", " (s)", str(key))), tag("dd", _value(value))) for key, value in values.items()]
    return tag("section", tag("h3", title), tag("dl", *rows), class_="card")


def _value(value: Any) -> Html:
    if isinstance(value, Mapping):
        return join(*(tag("span", tag("i", key), " ", _value(inner), class_="inner") for key, inner in value.items()))
    if isinstance(value, list | tuple):
        if any(isinstance(inner, Mapping) for inner in value):
            return join(*(tag("div", _value(inner)) for inner in value))
        return join(", ".join(map(str, value)) or "none")
    if isinstance(value, bool):
        return join("yes" if value else "no")
    if isinstance(value, int) and abs(value) >= 10_000:
        return join(count(value))
    if isinstance(value, float):
        return join(f"{value:.6g}")
    return join("not set" if value is None or value == "" else value)


def missing_list(missing: Mapping[str, Any]) -> Html:
    """The measures that did not apply, with the reason of each."""
    if not missing:
        return Html("")
    rows = [join(tag("dt", tag("code", name)), tag("dd", why)) for name, why in missing.items()]
    return join(tag("h3", "Measures that did not apply"), tag("dl", *rows, class_="missing"))


def scrolled(table: Html, label: str) -> Html:
    """A table that scrolls by itself where the page is narrow, by keyboard too."""
    return tag("div", table, class_="scrolled", role="region", aria_label=label, tabindex=0)

"""The parts of a circuit's page that are read: criteria, keys, numbers, ablations, the paper's values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from latebloom.analysis.circuits.published import Comparison, published_keys, published_source
from latebloom.analysis.circuits.records import RECORDS
from latebloom.measures.clock_pizza import NAMES
from latebloom.views import tables
from latebloom.views.findings import count
from latebloom.views.markup import Html, join, tag

HEADLINE = {
    "Fourier multiplication": "Fourier multiplication",
    "partly": "Partly Fourier multiplication",
    "not": "Not Fourier multiplication",
    "unclear": "Unclear",
}
PERIODICITY = (
    "embedding_key_share",
    "embedding_key_share_with_constant",
    "embedding_loud_count",
    "embedding_loud_count_ordinary",
    "embedding_gini",
    "embedding_gini_ordinary",
    "neurons_block_share",
    "neurons_sum_share",
    "logits_block_share",
    "logits_sum_share",
)
WEIGHTS = ("w_l_rank", "w_l_key_share", "w_l_residual_energy", "w_l_residual_norm", "direction_fve_least")
FITS = (
    "neurons_clustered",
    "neuron_fve_share",
    "neuron_fve_median",
    "neurons_dead",
    "head_fve_least",
    "logit_fve",
    "logit_fve_global",
    "trig_fraction_keys",
    "logit_share_answer",
    "logit_share_mirror",
    "logit_share_a",
    "logit_share_b",
)
CLOCK = ("gradient_symmetricity", "distance_irrelevance", "distance_irrelevance_wrong", "circularity", "pizza_class")

Columns = tuple[tuple[str, str], ...]
DIRECTIONS: Columns = (
    ("frequency", "k"),
    ("direction", "direction"),
    ("norm", "norm"),
    ("amplitude", "amplitude α"),
    ("fve", "FVE by one wave"),
)
CLUSTERS: Columns = (("frequency", "k"), ("neurons", "neurons"), ("key", "key"))
HEADS: Columns = (
    ("layer", "layer"),
    ("head", "head"),
    ("frequency", "best k"),
    ("fve", "FVE"),
    ("weights", "mean weight, by position"),
)
COSINES: Columns = (("frequency", "k"), ("coefficient", "α_k, logits"), ("trig_fraction", "share of a ± b"))


def number(value: Any, digits: int = 4) -> str:
    """A number as it is read: whole ones whole, others in a few digits; – where there is none.

    >>> number(433), number(2.4122e-07), number(0.98765), number(None)
    ('433', '2.412e-07', '0.9877', '–')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(number(part) for part in value)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return "–" if value is None or isinstance(value, float) else str(value)
    if value == int(value) and abs(value) < 1e9:
        return count(int(value))
    return f"{value:.{digits}g}"


def record_name(array: str) -> str:
    """The record that an array is defined by: those of attention layers share one."""
    return re.sub(r"^attention_\d+_", "attention_", array)


def figure(name: str, drawn: Html, *, id: str = "", wide: bool = False) -> Html:
    """A figure with the definition of what it shows in its title."""
    about = f"about-{id or name}"
    title = RECORDS[record_name(name)].title
    button = tag("button", title, type="button", class_="about", aria_describedby=about)
    head = tag("div", tag("h3", button), tables.tooltip([name], about, RECORDS), class_="title")
    return tag("figure", tag("figcaption", head), drawn, class_="wide" if wide else None)


def criteria(record: Mapping[str, Any]) -> Html:
    """Every criterion with its number, threshold and reason."""
    marks = {True: ("pass", "holds"), False: ("fail", "does not hold"), None: ("none", "does not apply")}
    body = []
    for c in record["verdict"]["criteria"]:
        kind, words = marks[c["passed"]]
        beyond = "∞" if c["passed"] is not None and c["value"] is None else number(c["value"])
        cells = (
            tag("td", tag("span", words, class_=f"mark {kind}")),
            tag("th", c["title"], scope="row"),
            tag("td", beyond, class_="number"),
            tag("td", f"{c['sign']} {number(c['threshold'])}", class_="number"),
            tag("td", c["reason"], class_="rule"),
        )
        body.append(tag("tr", *cells))
    return table(("", "criterion", "here", "asked", "why this threshold"), body, "Criteria", "criteria")


def keys(record: Mapping[str, Any]) -> Html:
    """The frequencies that each rule gives."""
    told = {
        "logits": ("the logits stand out of chance", "key_frequencies"),
        "neurons": ("some neuron's best (the paper's code)", "key_by_neurons"),
        "embedding": ("> ¼ of the largest norm of W_E", "key_by_embedding"),
        "embedding-gap": ("above the largest gap of W_E's norms", "key_by_gap"),
        "unembedding": ("> ¼ of the largest norm of W_L", "key_by_unembedding"),
    }
    chosen = set(record["keys"])
    body = []
    for rule, found in record["rules"].items():
        words, name = told[rule]
        listed = [tag("b" if k in chosen else "span", k, class_="frequency") for k in found[:24]]
        more = f" and {len(found) - 24} more" if len(found) > 24 else None
        own = " (the default)" if rule == record["chosen_by"] else ""
        cells = (
            tag("th", tag("span", words, own), tag("code", name), scope="row"),
            tag("td", join(*listed) if listed else "none", more),
        )
        body.append(tag("tr", *cells))
    given = "They were given. " if record["chosen_by"] == "given" else ""
    agreement = number(record["agreement"])
    words = f"{given}The rules agree by {agreement} (mean Jaccard index; 1: all the same). Bold: used on this page."
    return join(table(("rule", "frequencies"), body, "Key frequencies", "keys"), tag("p", words, class_="quiet"))


def numbers(record: Mapping[str, Any], names: Sequence[str]) -> Html:
    """Numbers with their definitions and what they would be by chance."""
    found = record["numbers"]
    rows = []
    for name in names:
        if name not in found:
            continue
        about = f"about-number-{name}"
        button = tag("button", RECORDS[name].title, type="button", class_="about", aria_describedby=about)
        chance = record["chance"].get(name)
        rows.append(
            tag(
                "div",
                tag("div", tag("h3", button), tables.tooltip([name], about, RECORDS), class_="title"),
                tag(
                    "span",
                    NAMES.get(found[name], "–") if name == "pizza_class" else number(found[name]),
                    class_="number",
                ),
                tag("span", f"chance {number(chance, 2)}" if chance is not None else "", class_="quiet number"),
                class_="row",
            )
        )
    return tag("div", *rows, class_="numbers") if rows else Html("")


def _said(name: str, value: float | None) -> str:
    return NAMES.get(value, "–") if name == "pizza_class" and value is not None else number(value)


def rows(record: Mapping[str, Any], name: str, columns: Columns) -> Html:
    """A small table of the record, its definition in the title."""
    found = record["tables"].get(name) or []
    if not found:
        return Html("")
    about = f"about-table-{name}"
    button = tag("button", RECORDS[name].title, type="button", class_="about", aria_describedby=about)
    title = tag("div", tag("h3", button), tables.tooltip([name], about, RECORDS), class_="title")
    body = [tag("tr", *(tag("td", number(row.get(key)), class_="number") for key, _ in columns)) for row in found]
    return tag("div", title, table([head for _, head in columns], body, RECORDS[name].title, "small"))


def published(found: Sequence[Comparison], record: Mapping[str, Any]) -> Html:
    """The paper's values beside ours; nothing for other tasks and networks."""
    if not found:
        return Html("")
    same = sum(c.same for c in found)
    theirs = published_keys()
    other = (
        ""
        if list(record["keys"]) == theirs
        else (
            f" The published run has the frequencies {', '.join(map(str, theirs))}: other frequencies, other numbers."
        )
    )
    words = (
        f"{published_source()}. One run of many: another seed, or another machine, ends in other numbers. "
        f"{same} of {len(found)} have the printed digits.{other} None of these values is used in any computation."
    )
    body = []
    for c in found:
        difference = "the printed digits" if c.same else "–" if c.difference is None else f"{c.difference:+.1%}"
        source = f"{c.where}; {c.why}" if c.why and not c.same else c.where
        cells = (c.what, c.published, number(c.ours), difference, source)
        kinds = (None, "number", "number", "number same" if c.same else "number", "rule")
        body.append(tag("tr", *(tag("td", cell, class_=kind) for cell, kind in zip(cells, kinds, strict=True))))
    heads = ("value", "published", "here", "difference", "where in the source; why ours may differ")
    return join(
        tag("p", words, class_="quiet"),
        tag("details", tag("summary", f"All {len(found)} values"), table(heads, body, "Published", "small"), open=True),
    )


def setting(record: Mapping[str, Any]) -> Html:
    """What was analysed and how."""
    s = record["setting"]
    return tables.spec_cards(
        {
            "task": s["title"],
            "group": f"{s['group']} of {s['order']} elements, answers at a {'+' if s['sign'] > 0 else '−'} b",
            "pairs": f"{count(s['pairs']['all'])} ({count(s['left_out'])} examples outside the group left out)",
            "logits linear in the last neurons": s["linear"],
            "precision": s["precision"],
            "seed of the controls": s["seed"],
            "draws of a control": s["draws"],
            "seconds": record["seconds"],
        }
    )


def table(heads: Sequence[str], body: Sequence[Html], label: str, kind: str) -> Html:
    """A table that scrolls by itself; `kind` is its class."""
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in heads)))
    return tables.scrolled(tag("table", head, tag("tbody", *body), class_=kind), label)

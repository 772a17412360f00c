"""How runs and findings show themselves in a notebook: a small table, everything in it escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

MOST_WORDS = 300
"""Letters of one value; a finding's long parts are for its own functions to tell."""


def facts_table(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Names and values under a title, as HTML."""
    rows = "".join(f"<tr><th style='text-align:left'>{_text(n)}</th>{_cell(v)}</tr>" for n, v in facts)
    return f"<table><caption style='text-align:left'><b>{_text(title)}</b></caption>{rows}</table>"


def finding_table(finding: Any) -> str:
    """A finding's fields, for `_repr_html_`.

    Args:
        finding: an instance of a dataclass.
    """
    named = [(field.name, getattr(finding, field.name)) for field in fields(finding)]
    return facts_table(type(finding).__name__, [(n, v) for n, v in named if v is not None and v != () and v != ""])


def _cell(value: object) -> str:
    return f"<td style='text-align:left'>{_text(value)}</td>"


def _text(value: object) -> str:
    if isinstance(value, tuple | list) and value and all(is_dataclass(v) for v in value):
        value = f"{len(value)} × {type(value[0]).__name__}"
    words = f"{value:g}" if isinstance(value, float) else str(value)
    return html.escape(words if len(words) <= MOST_WORDS else f"{words[:MOST_WORDS]} …")

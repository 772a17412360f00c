"""HTML that is escaped unless it was made here: names in a run are data, never markup."""

from __future__ import annotations

import html
import json
from typing import Any


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Anything as HTML; what is not `Html` is escaped."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """One element.

    Args:
        name: the element; a void one (`br`) when it has no children is written without an end.
        children: escaped unless they are `Html`; None is left out.
        attributes: `class_` stands for class, `aria_label` for aria-label; None and False are left out, True is bare.

    >>> tag("b", "1 < 2", class_="x")
    '<b class="x">1 &lt; 2</b>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        words.append(key if value is True else f'{key}="{html.escape(str(value))}"')
    inside = join(*children)
    return Html(f"<{' '.join(words)}>") if name in VOID else Html(f"<{' '.join(words)}>{inside}</{name}>")


VOID = {"br", "hr", "link"}


def join(*children: object) -> Html:
    """Pieces one after another; None is left out."""
    return Html("".join(text(child) for child in children if child is not None))


def json_for_script(value: Any) -> Html:
    """JSON that may stand in a `<script>`: nothing in it can end the element or open a comment.

    Raises:
        ValueError: a number that JSON does not have (NaN, infinity).
    """
    dumped = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        dumped = dumped.replace(character, f"\\u{ord(character):04x}")
    return Html(dumped)

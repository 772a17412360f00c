from __future__ import annotations

import json

import pytest

from latebloom.views.markup import Html, join, json_for_script, tag


def test_text_and_attributes_are_escaped_and_markup_is_kept() -> None:
    inner = tag("b", "<&>", title='"quoted"')
    assert tag("p", inner, None, 1) == '<p><b title="&quot;quoted&quot;">&lt;&amp;&gt;</b>1</p>'
    assert join("<i>", Html("<i>")) == "&lt;i&gt;<i>"


def test_attributes_that_are_bare_or_left_out() -> None:
    made = tag("p", hidden=True, open=False, id=None, class_="a", aria_label="b")
    assert made == '<p hidden class="a" aria-label="b"></p>'


def test_json_in_a_script_cannot_end_it() -> None:
    value = {"</script><!--": ["\u2028\u2029&"]}
    text = json_for_script(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON"):
        json_for_script([float("nan")])

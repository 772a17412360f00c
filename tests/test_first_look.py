"""The notebook that ships: its cells still run, and what it shows is what they give."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("IPython", reason="needs IPython: pip install -e '.[test]'")
    place = importlib.util.spec_from_file_location("notebook", ROOT / "scripts" / "notebook.py")
    assert place is not None
    assert place.loader is not None
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stored(script: ModuleType) -> dict[str, Any]:
    return json.loads(script.NOTEBOOK.read_text("utf-8"))


def said(cell: dict[str, Any]) -> str:
    """All text that a cell shows; pictures are not compared."""
    told = []
    for output in cell.get("outputs", []):
        parts = {"text": output["text"]} if "text" in output else output["data"]
        told += [f"{kind}:\n{''.join(text)}" for kind, text in parts.items() if kind.startswith("text")]
        told += [kind for kind in parts if kind.startswith("image")]
    return "\n".join(told)


def alike(one: str, other: str) -> bool:
    """The same words and whole numbers; other numbers to the rounding of another machine."""
    numbers = [NUMBER.findall(text) for text in (one, other)]
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    return all(
        a == b or (not (a + b).isdigit() and math.isclose(float(a), float(b), rel_tol=0.02, abs_tol=2e-3))
        for a, b in zip(*numbers, strict=True)
    )


def test_what_it_shows_is_what_its_cells_give(script: ModuleType, stored: dict[str, Any]) -> None:
    program = sys.modules["__main__"]
    again = script.executed(copy.deepcopy(stored))
    # processes that other tests begin look for it
    assert sys.modules["__main__"] is program
    assert len(again["cells"]) == len(stored["cells"])
    for before, after in zip(stored["cells"], again["cells"], strict=True):
        assert before["source"] == after["source"]
        shown, given = said(before), said(after)
        assert alike(shown, given), f"`make notebook` is due:\n{shown}\n\nnow gives\n{given}"
    assert sum(said(cell).count("image/png") for cell in again["cells"]) == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("step 300, 0.998", "step 300, 0.997", True),
        ("step 300, 0.998", "step 301, 0.998", False),
        ("loss 5.67", "loss 6.67", False),
        ("holds 1", "fails 1", False),
        ("4.2e-06 nats", "5.1e-06 nats", True),
    ],
)
def test_a_difference_is_seen(one: str, other: str, same: bool) -> None:
    assert alike(one, other) == same


def test_it_is_small_and_names_no_folder_of_a_machine(script: ModuleType, stored: dict[str, Any]) -> None:
    assert script.NOTEBOOK.stat().st_size < script.MOST_BYTES
    for cell in stored["cells"]:
        assert not re.search(r"/(home|root|work|tmp|Users)/", said(cell) + "".join(cell["source"]))

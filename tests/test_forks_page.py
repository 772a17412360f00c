"""The page of the forks says what the stored comparisons say: its text is made again."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def made():
    place = importlib.util.spec_from_file_location("forks_page", ROOT / "studies/forks_page.py")
    module = importlib.util.module_from_spec(place)
    sys.modules[place.name] = module
    place.loader.exec_module(module)
    return module


def test_the_page_is_that_of_the_stored_results(made):
    found = made.restored((made.RESULTS / "forks.json").read_text("utf-8"))
    assert made.stored(found) == (made.RESULTS / "forks.json").read_text("utf-8")
    text = made.PAGE.read_text("utf-8")
    assert text == made.page(made.ordered(found)), "run `python studies/forks_page.py`"
    images = re.findall(r"\]\((images/[^)]+)\)", text)
    assert images
    assert all((made.PAGE.parent / image).is_file() for image in images)

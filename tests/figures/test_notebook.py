"""What a notebook shows: cells are run by IPython's own shell, and what it would send to the page is looked at."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from PIL import Image

from latebloom.dashboard.example import example_run

interactiveshell = pytest.importorskip(
    "IPython.core.interactiveshell", reason="needs IPython: pip install -e '.[test]'"
)

Cell = Callable[[str], dict[str, Any]]


@pytest.fixture
def cell() -> Iterator[Cell]:
    """Runs a cell; gives what its last line shows, by media type."""
    from traitlets.config import Config

    # no history: it would be a file in the user's own folder
    shell = interactiveshell.InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))

    # what a kernel switches on, and a terminal does not
    shell.display_formatter.active_types = shell.display_formatter.format_types

    def run(code: str) -> dict[str, Any]:
        done = shell.run_cell(code)
        done.raise_error()
        return shell.display_formatter.format(done.result)[0]

    example = example_run()
    assert example is not None
    shell.run_cell(f"import latebloom\nrun = latebloom.open({str(example.folder)!r})").raise_error()
    yield run
    shell.reset()
    # the shell had put a module of its own in the place of the tests' `__main__`, which processes begun later need
    shell.restore_sys_module_state()
    interactiveshell.InteractiveShell.clear_instance()


@pytest.mark.parametrize("figure", ["curves(run)", "progress(run, scale='log')", "neurons(run, at=1080)"])
def test_a_figure_shows_itself(cell: Cell, figure: str) -> None:
    shown = cell(f"latebloom.figures.{figure}")
    picture = shown["image/png"]
    data = base64.b64decode(picture) if isinstance(picture, str) else picture
    assert Image.open(io.BytesIO(data)).width > 600
    assert shown["text/plain"].startswith("<Figure ")
    if pytest.importorskip("plotly"):
        assert shown["application/vnd.plotly.v1+json"]["data"]


def test_a_run_and_its_events_show_themselves(cell: Cell) -> None:
    assert "a + b mod 43" in cell("run")["text/html"]
    assert "<table" in cell("latebloom.analysis.find_events(run.scalars)[0]")["text/html"]


def test_a_frame_and_a_dataset_show_themselves(cell: Cell) -> None:
    assert "<table" in cell("run.scalars.head(3)")["text/html"]
    assert "xarray.Dataset" in cell("run.arrays")["text/html"]

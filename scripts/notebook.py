"""Runs the cells of notebooks/first-look.ipynb and stores what they show: `make notebook`.

The notebook's cells are its source: edit them with any notebook editor, and run this. They are run by IPython's own
shell, in the notebook's folder. Of what a cell shows, text, tables and PNG pictures are kept.
"""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable
from contextlib import chdir, redirect_stdout
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from traitlets.config import Config

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "first-look.ipynb"
KEPT = ("text/plain", "text/html", "image/png")
COLOURS = 64
"""Of a picture: a third of the bytes, and no difference to be seen in plots."""
MOST_BYTES = 300_000


def main() -> None:
    """Runs all cells and writes the notebook anew."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    text = json.dumps(executed(notebook), ensure_ascii=False, indent=1) + "\n"
    if len(text.encode()) > MOST_BYTES:
        raise SystemExit(f"expected at most {MOST_BYTES:,} bytes, got {len(text.encode()):,}: show fewer pictures")
    NOTEBOOK.write_text(text, "utf-8")
    print(f"{NOTEBOOK}: {len(text.encode()):,} bytes")


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with the outputs of its code cells, run in order in a fresh shell.

    Raises:
        Exception: what a cell raised.
    """
    # no history: it would be a file in the user's own folder
    shell: Any = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    # what a kernel switches on, and a terminal does not
    shell.display_formatter.active_types = shell.display_formatter.format_types
    # what a cell shows is stored, not printed
    for part in ("write_output_prompt", "write_format_data", "finish_displayhook"):
        setattr(shell.displayhook, part, lambda *args: None)
    try:
        with chdir(NOTEBOOK.parent):
            cells = [_run(cell, place, shell) for place, cell in enumerate(notebook["cells"])]
    finally:
        shell.reset()
        # the shell had put a module of its own in the place of the program
        shell.restore_sys_module_state()
        InteractiveShell.clear_instance()
    return notebook | {"cells": cells}


def _run(cell: dict[str, Any], place: int, shell: Any) -> dict[str, Any]:
    cell = {"cell_type": cell["cell_type"], "id": f"cell-{place}", "metadata": {}, "source": cell["source"]}
    if cell["cell_type"] != "code":
        return cell
    with redirect_stdout(io.StringIO()) as printed:
        done = shell.run_cell("".join(cell["source"]))
    done.raise_error()
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": printed.getvalue().splitlines(True)})
    if done.result is not None:
        shown = shell.display_formatter.format(done.result)[0]
        data = {kind: _stored[kind](shown[kind]) for kind in KEPT if kind in shown}
        outputs.append({"output_type": "execute_result", "execution_count": None, "data": data, "metadata": {}})
    return cell | {"execution_count": None, "outputs": outputs}


def _lines(text: str) -> list[str]:
    return text.splitlines(True)


def _small(picture: str | bytes) -> str:
    """A PNG with few colours, in base64."""
    raw = base64.b64decode(picture) if isinstance(picture, str) else picture
    small = io.BytesIO()
    Image.open(io.BytesIO(raw)).convert("RGB").quantize(COLOURS).save(small, "png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


_stored: dict[str, Callable[[Any], Any]] = {"text/plain": _lines, "text/html": _lines, "image/png": _small}


if __name__ == "__main__":
    # the same numbers on every machine need the same order of sums
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

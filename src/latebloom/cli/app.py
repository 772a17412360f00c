"""What every command shares: the app, its options, and how it prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from latebloom import __version__
from latebloom.errors import CODES

app = App(
    name="latebloom",
    version=__version__,
    help="A laboratory for grokking: train small networks on algorithmic tasks and watch them generalise late.",
    # commands show it too
    help_epilogue=f"Exit codes: {', '.join(f'{code} {said}' for code, said in CODES.items())}.",
    # else cyclopts adds --no-quiet, --empty-at and the like
    default_parameter=Parameter(negative=()),
)

NO_RUN = "expected the folder or the name of a run, got none; `latebloom ls` lists them"


def _on_this_machine(_: object, folder: Path) -> None:
    from latebloom.store.layout import local_path

    local_path(folder)


RunsFolder = Annotated[Path, Parameter(help="the folder that runs are kept in", validator=_on_this_machine)]
AsJson = Annotated[bool, Parameter(name="--json", help="print one JSON document, for scripts")]
Settings = Annotated[dict[str, str] | None, Parameter(parse=False)]
"""A command with a parameter `settings` of this type takes every field of a spec as an option."""


def show(texts: dict[str, str], heads: tuple[str, str], as_json: bool) -> None:
    """Prints names with a text each."""
    if as_json:
        print_json(texts)
        return
    listed = table(*heads)
    for name, text in texts.items():
        listed.add_row(name, text)
    console().print(listed)


def console() -> Console:
    """Standard output; where it is no terminal, wide enough that tables are not folded."""
    return Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False)


def table(*heads: str) -> Table:
    """A table without lines."""
    made = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        made.add_column(head, overflow="fold")
    return made


def print_json(value: Any) -> None:
    """Prints one JSON document."""
    from latebloom.store.layout import finite_json

    print(json.dumps(finite_json(value), ensure_ascii=False, indent=1, default=str, allow_nan=False))


def warn(message: str) -> None:
    """Says on standard error what stops nothing."""
    Console(stderr=True, soft_wrap=True, emoji=False).print(
        f"latebloom: {message}", style="yellow", markup=False, highlight=False
    )

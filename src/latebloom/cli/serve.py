"""`latebloom serve`."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from latebloom.cli.app import RunsFolder, app, console
from latebloom.errors import LatebloomError


@app.command
def serve(
    runs: RunsFolder = Path("runs"),
    /,
    *,
    host: Annotated[str, Parameter(help="name or address to listen on; other than loopback ones ask for a token")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, Parameter(help="0 takes a free one")] = 8642,
    token: Annotated[
        str | None, Parameter(help="what every request must bring [default: none on loopback, else a new one]")
    ] = None,
    allow_run: Annotated[bool, Parameter(help="let the pages start, stop and go on with runs")] = False,
    show: Annotated[bool, Parameter(name="--open", help="open a browser")] = False,
) -> None:
    """Show a folder of runs in the browser: lists, live curves, circuits step by step, comparisons, sweeps.

    Only this folder is served, to this machine alone unless --host says otherwise; nothing is fetched from anywhere.
    Ctrl-C ends it; runs that were started from its pages are stored and stopped.
    """
    if not 0 <= port <= 65535:
        raise LatebloomError(f"--port: expected a number from 0 to 65535, got {port}")
    if token is not None and len(token) < 16:
        raise LatebloomError(f"--token: expected at least 16 characters, got {len(token)}")
    from latebloom.dashboard.server import serve as serve_runs

    def tell(address: str) -> None:
        console().print(f"latebloom serves {runs} at\n  {address}\nCtrl-C ends it", highlight=False)
        if show:
            webbrowser.open(address)

    serve_runs(runs, host, port, token, allow_run, tell)

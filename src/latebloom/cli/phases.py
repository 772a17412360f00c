"""`latebloom phases`."""

from __future__ import annotations

from pathlib import Path

from latebloom.cli.app import NO_RUN, AsJson, RunsFolder, app, console, print_json
from latebloom.errors import LatebloomError


@app.command
def phases(*run: str, runs: RunsFolder = Path("runs"), as_json: AsJson = False) -> None:
    """Say when things happened in runs: memorising, circuit formation, grokking, cleanup, and how sure that is.

    RUN is a folder, or a run's name or the beginning of it; several may be given, and a run may still be under way.
    Each event comes with its rule, interval, width, the same rule at other thresholds and the opinion of change points
    (extra `stats`); one that was not found comes with the reason. After `latebloom analyse` the phases of Nanda et al.
    are told with the final network's frequencies too.
    """
    from latebloom.analysis.account import account
    from latebloom.store import open_run
    from latebloom.views.phase_text import print_account

    if not run:
        raise LatebloomError(NO_RUN)
    told = [account(open_run(name, runs)) for name in run]
    if as_json:
        print_json([one.to_json() for one in told])
        return
    out = console()
    for place, one in enumerate(told):
        if place:
            out.print()
        print_account(out, one)

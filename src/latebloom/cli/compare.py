"""`latebloom compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from latebloom.cli.app import AsJson, RunsFolder, app, console, print_json
from latebloom.errors import LatebloomError

if TYPE_CHECKING:
    from latebloom.store import Run


@app.command
def compare(
    *run: str,
    at: Annotated[
        str | None,
        Parameter(help="of each run a step, or an event as `latebloom phases` names it [default: its last step]"),
    ] = None,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Put runs side by side: what differs in their specs, events, phases, and numbers at one moment.

    RUN is a folder, or a run's name or the beginning of it; two or more, finished or not. Numbers are those of the last
    log row up to the moment; --json has all that were logged there.
    """
    from latebloom.forks import parents_of
    from latebloom.views.compare_text import beside, hint, table

    opened = parents_of(run, runs)
    if len(opened) < 2:
        raise LatebloomError(f"expected two runs or more, got {len(opened)}; `latebloom ls` lists them")
    moments = [_moment(one, at) for one in opened]
    told = beside(opened, [step for step, _ in moments])
    if as_json:
        print_json(told)
        return
    out = console()
    out.print(table(told), highlight=False)
    for _, why in moments:
        if why:
            out.print(why, highlight=False)
    out.print(hint(opened, runs), highlight=False, soft_wrap=True)


def _moment(run: Run, at: str | None) -> tuple[float, str]:
    """The step of a run that is meant, NaN where there is none, and why."""
    from latebloom.forks.moments import EventMissingError, beyond, moment_of

    if at is None:
        return float("inf"), ""
    if not run.scalars.height:
        return float("nan"), f"--at {at}: nothing was logged of {run.id}"
    try:
        step = moment_of(run, at).step
    except EventMissingError as error:
        return float("nan"), str(error)
    why = beyond(run, step)
    return (float("nan"), f"--at {at}: {why}") if why else (step, "")

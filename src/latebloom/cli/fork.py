"""`latebloom fork`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from latebloom.cli.app import NO_RUN, AsJson, RunsFolder, Settings, app, console, print_json, warn
from latebloom.cli.interrupts import Interrupts
from latebloom.errors import LatebloomError
from latebloom.process import prepare_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latebloom.forks import Asked, Forked, Ready


class FailedForksError(LatebloomError):
    """Forks or twins have failed; all others are done."""

    code = 3


@app.command
def fork(
    *run: str,
    at: Annotated[
        list[str] | None, Parameter(help="a step, or an event as `latebloom phases` names it; may be given again")
    ] = None,
    set_: Annotated[
        list[str] | None, Parameter(name="--set", help="a field of the spec and its new value; may be given again")
    ] = None,
    surgery: Annotated[
        str | None,
        Parameter(
            help="done to the weights: NAME or NAME:field=value,… (`latebloom surgeries` lists them), or your own as "
            "file.py:Class"
        ),
    ] = None,
    reset_optimiser: Annotated[bool, Parameter(help="the optimiser begins as at step 0")] = False,
    plan: Annotated[
        Path | None, Parameter(help="a file of several changes and moments, instead (docs/forks.md)")
    ] = None,
    threads: Annotated[int | None, Parameter(help="CPU threads [default: as many as the parent had]")] = None,
    runs: RunsFolder = Path("runs"),
    quiet: Annotated[bool, Parameter(help="print only the comparison and what went wrong")] = False,
    as_json: AsJson = False,
    settings: Settings = None,
) -> None:
    """Continue runs from a step with something changed, beside their untouched twins, and compare.

    RUN is a folder, or a run's name or the beginning of it; several are forked alike, and effects are then told over
    them: `latebloom fork RUN --at grokked --set optim.weight_decay=0 --steps 3000`. Any field of a spec can be set that
    the parent's weights fit; `--set regular.norm=now` holds the norm of the weights. `--steps` says how many steps
    follow the fork; without it, those up to the parent's last. With nothing changed the fork is the twin.
    Forks lie in runs/forks; after a kill or Ctrl-C the same command goes on, and a finished one is told again.
    """
    prepare_process()
    from latebloom.forks import prepare

    faults = [] if run else [NO_RUN]
    if threads is not None and not 1 <= threads <= 1024:
        faults.append(f"--threads: expected a number from 1 to 1024, got {threads}")
    changed = _settings(set_ or [], settings or {}, faults)
    if plan is not None and (at or changed or surgery or reset_optimiser):
        faults.append("--plan: expected no --at, --set, --surgery, --steps and --reset-optimiser beside it")
    if plan is None:
        parts = [_asked(run, at, changed, surgery, reset_optimiser, runs, faults)]
    else:
        parts = _planned(run, plan, runs)
    found = trained(prepare(parts, runs, threads=threads, tell=warn, faults=faults), runs, quiet or as_json)
    _say(found, as_json)
    failures = dict.fromkeys(one.error for one in found if one.error)
    if failures:
        raise FailedForksError("\n".join(["some forks have failed:", *(f"  {error}" for error in failures)]))


def _settings(words: list[str], options: dict[str, str], faults: list[str]) -> dict[str, Any]:
    """What is set, as `--set optim.lr=0.1` or `--optim.lr 0.1`."""
    found = dict(options)
    for word in words:
        path, equals, text = word.partition("=")
        if equals and path:
            found[path] = text
        else:
            faults.append(f"--set {word}: expected a field and a value, such as optim.weight_decay=0")
    from latebloom.spec import value_of

    return {path: value_of(text) for path, text in found.items()}


def _asked(
    names: Sequence[str],
    at: list[str] | None,
    settings: dict[str, Any],
    surgery: str | None,
    reset: bool,
    runs: Path,
    faults: list[str],
) -> Asked:
    from latebloom.forks import Asked, Change, parents_of, surgery_named, told_apart

    if not at:
        faults.append("expected --at with a step or an event; `latebloom phases RUN` lists a run's events")
    steps = settings.pop("steps", None)
    if steps is not None and not (isinstance(steps, int) and 1 <= steps <= 10**9):
        faults.append(f"--steps: expected a whole number of steps after the fork, got {steps}")
        steps = None
    changed, recorded = told_apart(settings)
    parents, table = (), None
    try:
        table = None if surgery is None else surgery_named(surgery)
    except LatebloomError as error:
        faults.append(str(error))
    try:
        parents = parents_of(names, runs)
    except LatebloomError as error:
        faults.append(str(error))
    return Asked(parents, tuple(at or ()), (Change(changed, table, reset),), steps, recorded)


def _planned(names: Sequence[str], plan: Path, runs: Path) -> list[Asked]:
    from latebloom.forks import parents_of, read_plan

    return list(read_plan(plan, parents_of(names, runs)).parts)


def trained(ready: list[Ready], runs: Path, quiet: bool) -> list[Forked]:
    """Trains forks that are ready, with a live display unless quiet, up to their ends or Ctrl-C."""
    from latebloom.forks import run_forks
    from latebloom.views.fork_text import ForkDisplay
    from latebloom.views.terminal import counted

    specs = {spec.run_id: spec for one in ready for spec in one.specs}
    spans = {name: (spec.first_step, spec.steps) for name, spec in specs.items()}
    shown = Console(quiet=quiet, soft_wrap=True, markup=False, emoji=False, stderr=True)
    title = counted(len(specs), "run")
    with Interrupts() as interrupts, ForkDisplay(shown, title, spans) as display:
        return run_forks(ready, runs, watch=display, interrupted=interrupts.asked, tell=warn)


def _say(found: list[Forked], as_json: bool) -> None:
    from latebloom.analysis.fork_effects import effects
    from latebloom.views.fork_text import print_comparison, print_effects

    whole = [(one.ready.moment.asked, one.comparison) for one in found if one.comparison is not None]
    told = effects(whole)
    if as_json:
        forks = [one.to_json() | {"at": at} for at, one in whole]
        print_json({"forks": forks, "effects": [effect.to_json() for effect in told]})
        return
    out = console()
    if len(whole) == 1:
        print_comparison(out, whole[0][1])
    elif whole:
        print_effects(out, told)

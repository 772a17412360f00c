"""`latebloom run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from latebloom.cli.app import AsJson, RunsFolder, Settings, app, print_json, warn
from latebloom.cli.interrupts import Interrupts
from latebloom.errors import LatebloomError
from latebloom.process import prepare_process

if TYPE_CHECKING:
    from latebloom.spec import RunSpec
    from latebloom.store import Run


@app.command
def run(
    preset: str = "quick",
    /,
    *,
    runs: RunsFolder = Path("runs"),
    device: Annotated[str | None, Parameter(help="cpu, cuda or cuda:N [default: the spec's, cpu]")] = None,
    threads: Annotated[
        int | None, Parameter(help="CPU threads [default: 1 for a small network, else all cores, at most 4]")
    ] = None,
    quiet: Annotated[bool, Parameter(help="print only what went wrong")] = False,
    as_json: AsJson = False,
    settings: Settings = None,
) -> None:
    """Train, measure, find events and write the report; an interrupted run goes on where it stopped.

    PRESET is the name of a preset (`latebloom presets`), a spec file (.toml), or the folder of a run to go on with.
    Every field of a spec is an option too, by its path: `--model.d-mlp 256 --optim.lr 3e-4 --split.fraction 0.4
    --seed 3 --steps 20000`. `latebloom spec` prints all fields with their values, `latebloom spec --schema` with
    bounds and meanings. `--seed` stands for all three seeds, `--epochs` for steps; `--measures all` (none, light,
    default, or names of `latebloom measures` with commas between them) says what is measured.
    After a kill or Ctrl-C the same command goes on from the newest checkpoint.
    """
    if threads is not None and not 1 <= threads <= 1024:
        raise LatebloomError(f"--threads: expected a number from 1 to 1024, got {threads}")
    prepare_process()
    from latebloom.experiment import run_experiment
    from latebloom.store import Layout
    from latebloom.views.terminal import RunDisplay, say_outcome

    changes = dict(settings or {}) | ({"device": device.split(":")[0]} if device else {})
    group, spec = _asked_for(preset, runs, changes)
    console = Console(quiet=quiet or as_json, soft_wrap=True, markup=False, emoji=False)
    if not Layout(runs / group / spec.run_id).manifest.is_file() and (told := _dear(spec, device)):
        console.print(told, style="yellow")
    title = f"{spec.build_task().title} · {spec.model['name']} · {spec.run_id}"
    with Interrupts() as interrupts, RunDisplay(console, title, spec.steps) as display:
        done = run_experiment(
            spec, runs, group, device=device, threads=threads, watch=display, interrupted=interrupts.asked, tell=warn
        )
    report = _report_of(done)
    if display.rows == 0:
        console.print(f"{done.id} was already finished: to train it again, name another --runs folder or delete it")
    if as_json:
        print_json(_run_json(done, report))
    else:
        say_outcome(console, done, report)


def _asked_for(preset: str, runs: Path, changes: dict[str, str]) -> tuple[str, RunSpec]:
    """The group and the spec of a preset, a file or a run's folder, with what is changed on the command line."""
    from latebloom.spec import override, read, resolve
    from latebloom.store import open_run

    if not (Path(preset) / "spec.json").is_file():
        group, table = read(preset)
        return group, resolve(override(table, changes))
    there = open_run(preset)
    folder, root = there.folder.resolve(), runs.resolve()
    if changes:
        raise LatebloomError("a run that is gone on with keeps its spec: settings go with a preset or a spec file")
    if root not in folder.parents:
        raise LatebloomError(f"{preset} is not below {runs}: name its runs folder with --runs")
    spec = resolve(there.spec)
    if spec.run_id != folder.name:
        raise LatebloomError(f"{preset} is of another version of latebloom, or was renamed: start it anew")
    return folder.parent.relative_to(root).as_posix(), spec


def _dear(spec: RunSpec, device: str | None) -> str:
    """What is said before a run whose costly measures make its measuring longer than its training."""
    from latebloom.spec import takings

    strides, log, asked = spec.strides, spec.log, spec.measures
    # in training steps, as the measures state it
    worth = {m.name: m.cost * takings(spec.steps, log.every, strides[m.name]) for m in asked}
    if sum(worth.values()) <= spec.steps or all(m.level != "all" for m in asked):
        return ""
    from latebloom.experiment import prepared, subject_of
    from latebloom.measures import missing

    absent = missing(subject_of(prepared(spec, device)), asked)
    times = {name: steps / spec.steps for name, steps in worth.items() if name not in absent}
    if (whole := sum(times.values())) <= 1:
        return ""
    dearest = sorted(times, key=lambda name: -times[name])[:3]
    shares = ", ".join(f"{name} {times[name]:.1f}" for name in dearest)
    return (
        f"measuring takes some {whole:.0f} times as long as training ({shares}), by costs measured on nanda2023: "
        f"fewer --measures take less, and so do wider strides, --log.strides '{{{dearest[0]} = "
        f"{5 * strides[dearest[0]]}}}'"
    )


def _report_of(run: Run) -> Path:
    """A fresh report; the one that is there where the folder cannot be written."""
    from latebloom.views.report import write_report

    try:
        return write_report(run)
    except LatebloomError as error:
        there = run.folder / "report.html"
        if not there.is_file():
            raise
        warn(str(error))
        return there


def _run_json(run: Run, report: Path) -> dict[str, Any]:
    from latebloom.analysis import event_from_json, phases

    known = ("title", "last_step", "delay", "final", "timing")
    facts = {name: run.summary[name] for name in known if name in run.summary}
    found = phases([event_from_json(event) for event in run.events], int(facts.get("last_step", 0)))
    events = {"events": run.events, "phases": [vars(phase) for phase in found]}
    return {"run": run.id, "folder": str(run.folder), "report": str(report), **events, **facts}

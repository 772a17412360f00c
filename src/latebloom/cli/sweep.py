"""`latebloom sweep`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console

from latebloom.cli.app import AsJson, RunsFolder, app, print_json
from latebloom.cli.interrupts import Interrupts
from latebloom.errors import LatebloomError
from latebloom.process import cores, prepare_process

if TYPE_CHECKING:
    from latebloom.studies.estimate import Estimate
    from latebloom.studies.expand import Plan
    from latebloom.studies.pool import Engine
    from latebloom.studies.sweep import Standing


class FailedRunsError(LatebloomError):
    """Runs of a sweep have failed; all others are done."""

    code = 3


@app.command
def sweep(
    study: Path,
    /,
    *,
    runs: RunsFolder = Path("runs"),
    engine: Annotated[Literal["local", "ray"], Parameter(help="processes here, or a Ray cluster")] = "local",
    address: Annotated[
        str | None, Parameter(help="of the Ray cluster, host:port or auto [default: one is started here]")
    ] = None,
    workers: Annotated[int | None, Parameter(help="tasks at a time [default: one for each core; on cuda 1]")] = None,
    together: Annotated[
        int | None, Parameter(help="runs of one shape that a task trains as an ensemble [default: 64 on cuda, else 1]")
    ] = None,
    gpus: Annotated[
        float | None, Parameter(help="share of a GPU that a task takes in a Ray cluster [default: 1 on cuda, else 0]")
    ] = None,
    dry_run: Annotated[bool, Parameter(help="only say how much there is to do")] = False,
    retry_failed: Annotated[bool, Parameter(help="try runs again that have failed")] = False,
    quiet: Annotated[bool, Parameter(help="print only what went wrong")] = False,
    as_json: AsJson = False,
) -> None:
    """Train every run of a study: a grid of settings and seeds.

    STUDY is a file such as study.toml: a base (a preset or a spec file), axes, seeds; docs/sweeps.md has all of it.
    Everything is checked before anything starts. Finished runs are skipped, so the same command goes on after Ctrl-C,
    a kill or a full disk; started several times at once, the processes share the work. Runs lie in runs/NAME/, NAME
    the name of the study, and latebloom.open_study("runs/NAME") reads them all.
    """
    if workers is not None and not 1 <= workers <= 4096:
        raise LatebloomError(f"--workers: expected a number from 1 to 4096, got {workers}")
    if together is not None and not 1 <= together <= 4096:
        raise LatebloomError(f"--together: expected a number from 1 to 4096, got {together}")
    if engine == "local" and (address is not None or gpus is not None):
        raise LatebloomError("--address and --gpus are for --engine ray")
    if gpus is not None and not 0 <= gpus <= 64:
        raise LatebloomError(f"--gpus: expected a share from 0 to 64, got {gpus:g}")
    prepare_process()
    from latebloom.studies.expand import plan_of
    from latebloom.studies.sweep import finished
    from latebloom.views.sweep import next_line
    from latebloom.views.terminal import counted

    plan = plan_of(study)
    done = set(finished(plan, runs))
    console = Console(quiet=quiet or as_json, soft_wrap=True, markup=False, emoji=False)
    cuda = any(spec.device == "cuda" for spec in plan.specs.values())
    # one process has the whole device: several would only wait for each other
    count = workers or (1 if cuda else cores())
    if dry_run:
        _dry_run(plan, [spec for run, spec in plan.specs.items() if run not in done], count, console, as_json)
        return
    title = f"{plan.file.name}: {counted(len(plan.specs), 'run')}" + (f", {len(done):,} already done" if done else "")
    console.print(title, highlight=False)
    if engine == "ray":
        share = gpus if gpus is not None else float(cuda)
        made = partial(_cluster, address, share, workers)
    else:
        made = partial(_pool, count)
    each = together or (64 if cuda else 1)
    standing, failures = train(plan, runs, made, each, console, title, retry_failed)
    folder = runs / plan.file.name
    if as_json:
        print_json(
            {
                "study": plan.file.name,
                "folder": str(folder),
                "runs": len(plan.specs),
                **_facts(standing),
                "failures": failures,
            }
        )
    if failures:
        raise failed_runs(failures)
    console.print(f"Done: {counted(standing.done, 'run')} in {folder}", highlight=False)
    fields = [path for axis in plan.file.axes if len(axis.values) > 1 for path in axis.paths]
    console.print(next_line(plan.file.name, fields, runs), highlight=False)


def train(
    plan: Plan,
    runs: Path,
    engine: Callable[[Path], Engine],
    together: int,
    console: Console,
    title: str,
    retry_failed: bool,
) -> tuple[Standing, dict[str, str]]:
    """Trains a plan under the eyes of its user: where it stands in the end, and the runs that have failed."""
    from latebloom.studies.expand import described
    from latebloom.studies.sweep import run_sweep
    from latebloom.views.sweep import SweepDisplay, best_line

    labels = {run.id: f"{described(run.cell)}, seed {run.seed}" for run in plan.file.runs}
    with Interrupts() as interrupts, SweepDisplay(console, title, labels) as display:
        standing, failures = run_sweep(
            plan,
            runs,
            engine,
            together=together,
            retry_failed=retry_failed,
            watch=display,
            interrupted=interrupts.asked,
        )
    if standing.best:
        console.print(best_line(standing), highlight=False)
    return standing, failures


def _pool(workers: int, folder: Path) -> Engine:
    from latebloom.studies.pool import LocalPool

    return LocalPool(workers, folder / "workers.log")


def _cluster(address: str | None, gpus: float, most: int | None, folder: Path) -> Engine:
    from latebloom.studies.cluster import RayCluster

    return RayCluster(address, gpus, most)


def _facts(standing: Standing) -> dict[str, Any]:
    best = standing.best
    told = None if best is None else {"run": best.run, "cell": best.cell, "grokked": best.grokked}
    return {"done": standing.done, "failed": standing.failed, "trained": standing.trained, "best": told}


def failed_runs(failures: dict[str, str]) -> FailedRunsError:
    """What is said of runs that have failed."""
    shown = [f"  {run}: {error}" for run, error in list(failures.items())[:10]]
    more = [f"  and {len(failures) - 10} more: latebloom ls"] if len(failures) > 10 else []
    have = "1 run has" if len(failures) == 1 else f"{len(failures):,} runs have"
    head = f"{have} failed (--retry-failed tries again):"
    return FailedRunsError("\n".join([head, *shown, *more]))


def _dry_run(plan: Plan, left: list[Any], workers: int, console: Console, as_json: bool) -> None:
    from latebloom.studies.estimate import estimate
    from latebloom.views.terminal import counted, duration

    told = _told(estimate(left), workers)
    if as_json:
        print_json({"study": plan.file.name, "total": len(plan.specs), "done": len(plan.specs) - len(left)} | told)
        return
    for axis in plan.file.axes:
        values = [str(value) for value in axis.values]
        shown = values if len(values) <= 12 else [*values[:5], "…", *values[-2:]]
        console.print(f"{axis.name}: {', '.join(shown)}", highlight=False)
    seeds = plan.file.seeds
    console.print(
        f"seeds: {len(seeds)} ({', '.join(map(str, seeds[:12]))}{', …' if len(seeds) > 12 else ''})", highlight=False
    )
    todo = f"{counted(len(plan.specs), 'run')}, {len(left):,} to do"
    console.print(f"{todo}, of {counted(told['ensembles'], 'shape')}" if left else todo, highlight=False)
    if not left:
        return
    time, cpu = (duration(max(1, int(told[name]))) for name in ("seconds", "thread_seconds"))
    console.print(
        f"about {time} with {counted(workers, 'worker')} on an idle machine, starting them included ({cpu} of CPU), "
        f"about {max(1, told['bytes'] / 1e6):,.0f} MB on disk (the full number of steps of every run; "
        f"{counted(told['tried'], 'shape')} tried for a second each)",
        highlight=False,
    )


def _told(found: Estimate, workers: int) -> dict[str, Any]:
    return {
        "runs": found.runs,
        "ensembles": found.shapes,
        "seconds": found.elapsed(workers),
        "thread_seconds": found.processor(workers),
        "bytes": found.bytes,
        "tried": found.tried,
    }

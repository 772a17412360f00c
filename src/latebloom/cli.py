"""The command line: arguments only; each command calls one function.

Everything that needs torch is imported inside the commands, so that `latebloom --help` answers at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from latebloom import __version__
from latebloom.errors import LatebloomError
from latebloom.process import prepare_process

if TYPE_CHECKING:
    from latebloom.store import Run

SPEC_WORDS = ("seed", "steps", "epochs", "init", "precision", "batch")
"""Fields of a spec without a dot, which the command line takes as options of their own."""

app = App(
    name="latebloom",
    version=__version__,
    help="A laboratory for grokking: train small networks on algorithmic tasks and watch them generalise late.",
)

RunsFolder = Annotated[Path, Parameter(help="the folder that runs are kept in")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="print one JSON document, for scripts")]


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
    quiet: Annotated[bool, Parameter(negative="", help="print only what went wrong")] = False,
    as_json: AsJson = False,
    settings: Annotated[dict[str, str] | None, Parameter(parse=False)] = None,
) -> None:
    """Train, measure, find events and write the report; goes on with what was interrupted.

    PRESET is the name of a preset (`latebloom presets`) or a spec file (.toml). Every field of a spec can be set by
    its path: `--model.d-mlp 256 --optim.weight-decay 0.5 --seed 3 --steps 20000`. `latebloom spec` prints the fields
    with their values, `latebloom spec --schema` with bounds and meanings. A run that was killed or stopped with Ctrl-C
    is gone on with by the same command.
    """
    if threads is not None and threads < 1:
        raise LatebloomError(f"--threads: expected a number ≥ 1, got {threads}")
    prepare_process()
    from latebloom.experiment import run_experiment
    from latebloom.spec import override, read, resolve
    from latebloom.views.report import write_report
    from latebloom.views.terminal import RunDisplay, say_outcome

    group, table = read(preset)
    changes = dict(settings or {}) | ({"device": device.split(":")[0]} if device else {})
    spec = resolve(override(table, changes))
    console = Console(quiet=quiet or as_json, soft_wrap=True)
    title = f"{spec.build_task().title} · {spec.model['name']} · {spec.run_id}"
    with _Interrupts() as interrupts, RunDisplay(console, title, spec.steps) as display:
        done = run_experiment(
            spec, runs, group, device=device, threads=threads, watch=display, interrupted=interrupts.asked, tell=_warn
        )
    report = write_report(done)
    if display.rows == 0:
        console.print(f"{done.id} was already finished: to train it again, name another --runs folder or delete it")
    if as_json:
        _print_json(_run_json(done, report))
    else:
        say_outcome(console, done, report)


@app.command
def ls(*, runs: RunsFolder = Path("runs"), as_json: AsJson = False) -> None:
    """List the runs of a folder with their states and events."""
    from latebloom.store import Index

    rows = Index(runs).runs()
    if as_json:
        _print_json([vars(row) for row in rows])
        return
    table = _table("run", "state", "step", "memorised", "grokked", "what")
    for row in rows:
        steps = {event["name"]: event["found"]["step"] for event in row.events}
        done = f"{row.last_step or 0:,} of {row.total_steps or 0:,}"
        seen = [f"{steps[name]:,}" if steps.get(name) is not None else "–" for name in ("memorised", "grokked")]
        table.add_row(row.folder, row.state, done, *seen, row.error or _what(row.spec))
    _console().print(table if rows else f"no runs in {runs}; `latebloom run` makes one")


@app.command
def report(run: str, /, *, runs: RunsFolder = Path("runs")) -> None:
    """Write a run's report anew; RUN is a folder, or a run's name or the beginning of it."""
    from latebloom.store import open_run
    from latebloom.views.report import write_report

    print(write_report(open_run(run, runs)))


@app.command
def presets(*, as_json: AsJson = False) -> None:
    """List the presets: specs that come with latebloom, each as its source has it."""
    from latebloom.spec import about
    from latebloom.spec import presets as known

    texts = {name: about(text) for name, text in known().items()}
    _show(texts, ("preset", "what it is"), as_json)


@app.command
def spec(
    preset: str = "quick",
    /,
    *,
    schema: Annotated[bool, Parameter(negative="", help="print the JSON Schema of spec files instead")] = False,
    settings: Annotated[dict[str, str] | None, Parameter(parse=False)] = None,
) -> None:
    """Print a spec with every default filled in, as a file that `latebloom run` takes; all options of `run` apply."""
    from latebloom.spec import json_schema, override, read, resolve, write

    if schema:
        _print_json(json_schema())
    else:
        print(write(resolve(override(read(preset)[1], dict(settings or {})))), end="")


@app.command
def tasks(*, as_json: AsJson = False) -> None:
    """List the tasks with their settings."""
    _show_components("task", as_json)


@app.command
def models(*, as_json: AsJson = False) -> None:
    """List the architectures with their sizes."""
    _show_components("model", as_json)


@app.command
def optimisers(*, as_json: AsJson = False) -> None:
    """List the optimisers with their hyperparameters."""
    _show_components("optim", as_json)


@app.command
def measures(*, as_json: AsJson = False) -> None:
    """List every number that is measured: formula, variant, units, source and disputes."""
    from dataclasses import asdict

    from latebloom.measures import RECORDS

    if as_json:
        _print_json([asdict(record) for record in RECORDS.values()])
        return
    console = _console()
    for record in RECORDS.values():
        console.print(f"[bold]{record.name}[/bold]  {record.title} [{record.units}]".replace("[1]", ""))
        for name in ("formula", "variant", "source", "disputes"):
            if text := getattr(record, name):
                console.print(f"    {name:9}{text}", markup=False, highlight=False)


def _show_components(kind: str, as_json: bool) -> None:
    from latebloom.spec import describe

    found = describe(kind)
    if as_json:
        _print_json(found)
        return
    console = _console()
    for name, part in found.items():
        console.print(f"[bold]{name}[/bold]  {part['description']}", highlight=False)
        table = _table("field", "default", "values", "what it is")
        for field, facts in part["fields"].items():
            table.add_row(f"{kind}.{field}", facts["default"], facts["values"], facts["description"])
        console.print(table)


def _show(texts: dict[str, str], heads: tuple[str, str], as_json: bool) -> None:
    if as_json:
        _print_json(texts)
        return
    table = _table(*heads)
    for name, text in texts.items():
        table.add_row(name, text)
    _console().print(table)


def _console() -> Console:
    """Standard output; where it is no terminal, wide enough that tables are not folded."""
    return Console(width=None if sys.stdout.isatty() else 160)


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _what(spec: dict[str, Any]) -> str:
    """The task and the architecture of a stored spec in a few words."""
    parts = [dict(spec.get(kind, {})) for kind in ("task", "model")]
    settings = [str(parts[0][key]) for key in ("operation", "p") if key in parts[0]]
    return f"{' '.join([parts[0].get('name', '?'), *settings])} · {parts[1].get('name', '?')}"


def _print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1, default=str))


def _warn(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"latebloom: {message}", style="yellow", markup=False, highlight=False)


def _run_json(run: Run, report: Path) -> dict[str, Any]:
    known = ("title", "last_step", "delay", "final", "timing")
    facts = {name: run.summary[name] for name in known if name in run.summary}
    return {"run": run.id, "folder": str(run.folder), "report": str(report), "events": run.events, **facts}


class _Interrupts:
    """Ctrl-C and SIGTERM ask the run to stop at its next step; a second one ends it at once."""

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def asked(self) -> bool:
        return self._asked

    def __enter__(self) -> _Interrupts:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: Any) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


def _split_settings(tokens: list[str]) -> tuple[list[str], dict[str, str]]:
    """Takes the fields of a spec out of the words of a command line: `--model.d-mlp 256`, `--seed=3`."""
    rest: list[str] = []
    settings: dict[str, str] = {}
    words = iter(tokens)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not ("." in name or name in SPEC_WORDS):
            rest.append(word)
            continue
        if not equals:
            value = next(words, "")
            if not value:
                raise LatebloomError(f"{word}: expected a value after it")
        settings[name] = value
    return rest, settings


def main() -> None:
    """The command `latebloom`; exits with 0, or with the error's code after one clear message."""
    try:
        tokens, settings = _split_settings(sys.argv[1:])
        command, bound, ignored = app.parse_args(tokens)
        if "settings" in ignored:
            bound.arguments["settings"] = settings
        elif settings:
            raise LatebloomError(
                f"--{next(iter(settings))}: only `latebloom run` and `latebloom spec` take a spec's fields"
            )
        command(*bound.args, **bound.kwargs)
    except LatebloomError as error:
        Console(stderr=True, soft_wrap=True).print(f"latebloom: {error}", style="red", markup=False, highlight=False)
        sys.exit(error.code)
    except KeyboardInterrupt:
        Console(stderr=True).print("latebloom: ended at once; the same command goes on from the last checkpoint")
        sys.exit(130)
    except BrokenPipeError:
        # the reader has gone (`latebloom ls | head`): nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)

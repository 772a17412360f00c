"""The command line: arguments only; each command calls one function.

Everything that needs torch is imported inside the commands, so that `latebloom --help` answers at once.
"""

from __future__ import annotations

import json
import math
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from latebloom import __version__
from latebloom.errors import LatebloomError
from latebloom.process import prepare_process

if TYPE_CHECKING:
    from latebloom.store import Run

SPEC_WORDS = ("seed", "steps", "epochs", "init", "precision", "batch")
"""Fields of a spec without a dot, which the command line takes as options of their own."""

SPEC_PATH = re.compile(r"[a-z_]+(\.[\w-]+)+")

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
    """Train, measure, find events and write the report; an interrupted run goes on where it stopped.

    PRESET is the name of a preset (`latebloom presets`) or a spec file (.toml). Every field of a spec is an
    option too, by its path: `--model.d-mlp 256 --optim.lr 3e-4 --split.fraction 0.4 --seed 3 --steps 20000`.
    `latebloom spec` prints all fields with their values, `latebloom spec --schema` with bounds and meanings. After a
    kill or Ctrl-C the same command goes on from where the run stopped.
    """
    if threads is not None and not 1 <= threads <= 1024:
        raise LatebloomError(f"--threads: expected a number from 1 to 1024, got {threads}")
    prepare_process()
    from latebloom.experiment import run_experiment
    from latebloom.spec import override, read, resolve
    from latebloom.views.terminal import RunDisplay, say_outcome

    group, table = read(preset)
    changes = dict(settings or {}) | ({"device": device.split(":")[0]} if device else {})
    spec = resolve(override(table, changes))
    console = Console(quiet=quiet or as_json, soft_wrap=True, markup=False, emoji=False)
    title = f"{spec.build_task().title} · {spec.model['name']} · {spec.run_id}"
    with _Interrupts() as interrupts, RunDisplay(console, title, spec.steps) as display:
        done = run_experiment(
            spec, runs, group, device=device, threads=threads, watch=display, interrupted=interrupts.asked, tell=_warn
        )
    report = _report_of(done)
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
        steps = _event_steps(row.events)
        done = f"{row.last_step or 0:,} of {row.total_steps or 0:,}"
        seen = [f"{steps[name]:,}" if steps.get(name) is not None else "–" for name in ("memorised", "grokked")]
        why = f" ({row.error})" if row.error and row.state == "failed" else ""
        table.add_row(row.folder, row.state, done, *seen, _what(row.spec) + why)
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
        units = "" if record.units == "1" else f" [{record.units}]"
        console.print(Text.assemble((record.name, "bold"), f"  {record.title}{units}"))
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
        console.print(Text.assemble((name, "bold"), f"  {part['description']}"))
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
    return Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False)


def _table(*heads: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _event_steps(events: list[Any]) -> dict[str, int | None]:
    """The step of each event of a stored run; what is not as we write it counts as not found."""
    found = [(e.get("name"), e.get("found")) for e in events if isinstance(e, dict)]
    steps = {str(name): f.get("step") for name, f in found if isinstance(f, dict)}
    return {name: step if isinstance(step, int) else None for name, step in steps.items()}


def _what(spec: dict[str, Any]) -> str:
    """The task and the architecture of a stored spec in a few words."""
    parts = [part if isinstance(part := spec.get(kind), dict) else {} for kind in ("task", "model")]
    settings = [str(parts[0][key]) for key in ("operation", "p") if key in parts[0]]
    return f"{' '.join([parts[0].get('name', '?'), *settings])} · {parts[1].get('name', '?')}"


def _print_json(value: Any) -> None:
    print(json.dumps(_finite(value), ensure_ascii=False, indent=1, default=str, allow_nan=False))


def _finite(value: Any) -> Any:
    """The value with null for NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _warn(message: str) -> None:
    Console(stderr=True, soft_wrap=True).print(f"latebloom: {message}", style="yellow", markup=False, highlight=False)


def _report_of(run: Run) -> Path:
    """A fresh report; the one that is there where the folder cannot be written."""
    from latebloom.views.report import write_report

    try:
        return write_report(run)
    except LatebloomError as error:
        there = run.folder / "report.html"
        if not there.is_file():
            raise
        _warn(str(error))
        return there


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
        if not word.startswith("--") or not (SPEC_PATH.fullmatch(name) or name in SPEC_WORDS):
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

"""The commands that show what there is: runs, presets, specs, components, measures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from latebloom.cli.app import NO_RUN, AsJson, RunsFolder, Settings, app, console, print_json, show, table
from latebloom.errors import LatebloomError

if TYPE_CHECKING:
    from latebloom.measures import Measure


SHORT_RUNS = (
    "However short a run is, it takes each of its measures some 20 times: `quick`, with 231 log rows, at one in 10.\n"
    "How many log rows apart single measures are taken is a setting: --log.strides '{spectrum = 5, kernel = 20}'.\n"
    "Your own come in as file.py:object: --measures default,examples/own_measure.py:UNDECIDED."
)


@app.command
def ls(
    place: Annotated[str, Parameter(help="another folder, or the beginning of a name: `ls quick` [default: all]")] = "",
    /,
    *,
    runs: RunsFolder = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the runs of a folder with their states and events; of a run that has not ended, those that came so far."""
    from latebloom.store import runs_at
    from latebloom.views.told_apart import told_apart

    root, rows = runs_at(place, runs)
    if any(row.state in ("running", "interrupted") for row in rows):
        # not before: it takes torch, and a second
        from latebloom.analysis.so_far import with_events_so_far

        rows = [with_events_so_far(root, row) for row in rows]
    if as_json:
        print_json([vars(row) for row in rows])
        return
    listed = table("run", "state", "step", "memorised", "grokked", "cleanup", "what")
    for row, apart in zip(rows, told_apart(rows), strict=True):
        done = f"{row.last_step or 0:,} of {row.total_steps or 0:,}"
        seen = _seen(_event_steps(row.events), row.state)
        why = f" ({row.error})" if row.error and row.state == "failed" else ""
        listed.add_row(row.folder, row.state, done, *seen, " · ".join(filter(None, [_what(row.spec), apart])) + why)
    console().print(listed if rows else f"no runs in {place or runs}; `latebloom run` makes one")


@app.command
def report(*run: str, runs: RunsFolder = Path("runs")) -> None:
    """Write the reports of runs and studies anew, and print where they are.

    RUN is a folder, or a name or the beginning of a run's; several may be given, and one that cannot be read stops no
    other.
    """
    if not run:
        raise LatebloomError(NO_RUN)
    faults = []
    for name in run:
        try:
            print(_reported(name, runs))
        except LatebloomError as error:
            faults.append(str(error))
    if faults:
        raise LatebloomError("\n".join(faults))


def _reported(name: str, runs: Path) -> Path:
    from latebloom.store import open_run, open_study
    from latebloom.store.study_file import FILE

    # what writes reports takes seconds to import, and is not waited for to hear of a wrong name
    if any((place / FILE).is_file() for place in (Path(name), runs / name)):
        study = open_study(name, runs)
        from latebloom.views.study_report import write_study_report

        return write_study_report(study)
    found = open_run(name, runs)
    from latebloom.views.report import write_report

    return write_report(found)


@app.command
def presets(*, as_json: AsJson = False) -> None:
    """List the presets: specs that come with latebloom, each as its source has it."""
    from latebloom.spec import about
    from latebloom.spec import presets as known

    texts = {name: about(text) for name, text in known().items()}
    show(texts, ("preset", "what it is"), as_json)


@app.command
def spec(
    preset: str = "quick",
    /,
    *,
    schema: Annotated[bool, Parameter(help="print the JSON Schema of spec files instead")] = False,
    settings: Settings = None,
) -> None:
    """Print a spec with every default filled in, as a file that `latebloom run` takes; all options of `run` apply."""
    from latebloom.spec import json_schema, override, read, resolve, write

    if schema:
        print_json(json_schema())
    else:
        print(write(resolve(override(read(preset)[1], dict(settings or {})))), end="")


@app.command
def tasks(*, as_json: AsJson = False) -> None:
    """List the tasks: formula, domain, size, source, settings."""
    from latebloom.spec import describe

    _show_components({"task": describe("task")}, as_json)


@app.command
def models(*, as_json: AsJson = False) -> None:
    """List the architectures with their sizes."""
    from latebloom.spec import describe

    _show_components({"model": describe("model")}, as_json)


@app.command
def optimisers(*, as_json: AsJson = False) -> None:
    """List the optimisers and the gradient rules with their hyperparameters."""
    from latebloom.spec import describe

    _show_components({kind: describe(kind) for kind in ("optim", "gradient")}, as_json)


@app.command
def surgeries(*, as_json: AsJson = False) -> None:
    """List what can be done to the weights of a run that is forked, with the settings of each."""
    from latebloom.analysis.surgery import SURGERIES
    from latebloom.spec import described

    _show_components({"surgery": {name: described(cls) for name, cls in SURGERIES.items()}}, as_json)


@app.command
def measures(word: str = "", /, *, as_json: AsJson = False) -> None:
    """List what is measured; with a WORD every number that has it in its name, or all of the measure of that name.

    A number comes with its formula, variant, units, source and disputes (`latebloom measures gini`); --json gives all.
    """
    from dataclasses import asdict

    from latebloom.measures import MEASURES

    exact = [(m, r) for m in MEASURES for r in m.records if word in (m.name, r.name)]
    found = exact or [(m, r) for m in MEASURES for r in m.records if word in r.name]
    if as_json:
        print_json([{"measure": m.name, "says": m.says, "set": m.level, "cost": m.cost, **asdict(r)} for m, r in found])
        return
    if not found:
        raise LatebloomError(f"no measure has {word!r} in its name; `latebloom measures` lists all")
    out = console()
    if not word:
        listed = table("measure", "set", "taken at", "numbers", "what it says")
        for measure in MEASURES:
            listed.add_row(measure.name, measure.level, _how_often(measure), str(len(measure.records)), measure.says)
        out.print(listed)
        out.print(f"\n{SHORT_RUNS}")
        return
    shown = None
    for measure, record in found:
        if measure is not shown:
            cost = f"{measure.cost:g} training steps of nanda2023"
            often = _how_often(measure) + (" (more in a short run)" if measure.stride > 1 else "")
            head = f"  in the set {measure.level}, taken at {often}; each time costs about {cost}"
            out.print(Text.assemble("" if shown is None else "\n", (measure.name, "bold reverse"), head))
            out.print(f"  {measure.says}", markup=False, highlight=False)
            shown = measure
        axes = f" over {', '.join(record.axes)}" if record.axes else ""
        units = "" if record.units == "1" else f" [{record.units}]"
        out.print(Text.assemble((record.name, "bold"), f"  {record.title}{axes}{units}"))
        for name in ("formula", "variant", "source", "disputes"):
            if text := getattr(record, name):
                out.print(f"    {name:9}{text}", markup=False, highlight=False)


def _how_often(measure: Measure) -> str:
    return "every log row" if measure.stride == 1 else f"one log row in {measure.stride}"


def _show_components(found: dict[str, dict[str, Any]], as_json: bool) -> None:
    """Components by the table of a spec that they stand in and by name, each as `described` has it."""
    if as_json:
        print_json({name: part for parts in found.values() for name, part in parts.items()})
        return
    out = console()
    for kind, parts in found.items():
        for name, part in parts.items():
            out.print(Text.assemble((name, "bold"), f"  {part['description']}"))
            for title, text in part["facts"].items():
                out.print(f"    {title.lower():9}{text}", markup=False, highlight=False)
            if part["fields"]:
                listed = table("field", "default", "values", "what it is")
                for field, facts in part["fields"].items():
                    listed.add_row(f"{kind}.{field}", facts["default"], facts["values"], facts["description"])
                out.print(listed)


def _event_steps(events: list[Any]) -> dict[str, int | None]:
    """The step of each event of a stored run; what is not as we write it counts as not found."""
    found = [(e.get("name"), e.get("found")) for e in events if isinstance(e, dict)]
    steps = {str(name): f.get("step") for name, f in found if isinstance(f, dict)}
    return {name: step if isinstance(step, int) else None for name, step in steps.items()}


def _seen(steps: dict[str, int | None], state: str) -> tuple[str, ...]:
    """When a run memorised, grokked, and was cleaned up; of one that has not ended, so far."""
    memorised, grokked, start, end = (
        f"{step:,}" if (step := steps.get(name)) is not None else "–"
        for name in ("memorised", "grokked", "cleanup-started", "cleanup-ended")
    )
    seen = (memorised, grokked, "–" if start == "–" else f"{start} to {end}")
    if state not in ("running", "interrupted", "stopped"):
        return seen
    return tuple("not yet" if what == "–" else f"{what} so far" for what in seen)


def _what(spec: dict[str, Any]) -> str:
    """The task and the architecture of a stored spec in a few words, and of a fork where it begins and of which run."""
    fork = spec.get("fork")
    # a run's folder is named by the first ten letters of its identity
    begins = (
        f"fork of {str(fork.get('parent', '?'))[:10]} at {fork.get('step', '?')}: " if isinstance(fork, dict) else ""
    )
    parts = [part if isinstance(part := spec.get(kind), dict) else {} for kind in ("task", "model")]
    settings = [str(parts[0][key]) for key in ("operation", "p") if key in parts[0]]
    return f"{begins}{' '.join([parts[0].get('name', '?'), *settings])} · {parts[1].get('name', '?')}"

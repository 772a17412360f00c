"""`latebloom figure` and `latebloom figures`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from latebloom.cli.app import AsJson, RunsFolder, app, console, print_json, table
from latebloom.errors import LatebloomError
from latebloom.process import prepare_process

if TYPE_CHECKING:
    from latebloom.figures.registry import Kind


@app.command
def figures(*, as_json: AsJson = False) -> None:
    """List the figures that `latebloom figure` draws: what each shows, and what a run must hold for it."""
    from latebloom.figures.registry import kinds

    if as_json:
        facts = ("about", "of", "needs", "options")
        print_json({name: {fact: getattr(kind, fact) for fact in facts} for name, kind in kinds().items()})
        return
    listed = table("figure", "of", "what it shows", "what it needs", "options")
    for kind in kinds().values():
        options = " ".join(f"--{name}" for name in kind.options)
        listed.add_row(kind.name, kind.of, kind.about, kind.needs, options)
    console().print(listed)


@app.command
def figure(
    name: str,
    /,
    *run: str,
    output: Annotated[Path, Parameter(name=["--output", "-o"], help="a .png, .svg, .pdf or .html file")],
    theme: Annotated[Literal["light", "dark"], Parameter(help="the ground it is drawn on")] = "light",
    at: Annotated[int | None, Parameter(help="the step of a checkpoint [default: the newest]")] = None,
    scale: Annotated[
        Literal["linear", "log"] | None, Parameter(help="the axis of training steps [default: linear]")
    ] = None,
    neuron: Annotated[int | None, Parameter(help="of the last layer [default: the most telling ones]")] = None,
    measure: Annotated[str | None, Parameter(help="what runs are compared by [default: test accuracy, loss]")] = None,
    by: Annotated[str | None, Parameter(help="an axis of the study, or the last word of its name")] = None,
    event: Annotated[Literal["memorised", "grokked"] | None, Parameter(help="[default: grokked]")] = None,
    x: Annotated[str | None, Parameter(help="the axis of the study that runs across")] = None,
    y: Annotated[str | None, Parameter(help="the axis of the study that runs up")] = None,
    show: Annotated[
        Literal["state", "grokked", "delay"] | None, Parameter(help="what the map shows [default: state]")
    ] = None,
    runs: RunsFolder = Path("runs"),
) -> None:
    """Draw one figure of a run, of several runs or of a study into a file.

    NAME is one of `latebloom figures`; RUN is a folder, or a run's name or the beginning of it; for figures of a study
    it is the study's name or folder. An HTML file holds all that it needs and asks nothing of the network.
    """
    from latebloom.figures.registry import kind

    found = kind(name)
    options = {"at": at, "scale": scale, "neuron": neuron, "measure": measure, "by": by, "event": event}
    options |= {"x": x, "y": y, "show": show}
    given = {word: value for word, value in options.items() if value is not None}
    for word in given:
        if word not in found.options:
            takes = ", ".join(f"--{option}" for option in found.options) or "no options of its own"
            raise LatebloomError(f"the figure {name} does not take --{word}; it takes {takes}")
    prepare_process()
    made = found.build(*_subjects(found, run, runs), **given)
    print(made.save(output, theme))


def _subjects(kind: Kind, names: tuple[str, ...], root: Path) -> list[Any]:
    """The runs or the study that a figure is of."""
    from latebloom.store import open_run

    if not names or (len(names) > 1 and kind.of != "runs"):
        wanted = {"run": "one run", "runs": "one run or more", "study": "one study"}[kind.of]
        raise LatebloomError(f"the figure {kind.name} is of {wanted}, got {len(names)}")
    if kind.of == "study":
        from latebloom.analysis.outcomes import open_outcomes

        return [open_outcomes(name, root) for name in names]
    return [open_run(name, root) for name in names]

"""`latebloom claims`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from rich.console import Console

from latebloom.cli.app import AsJson, RunsFolder, app, console, print_json, table, warn
from latebloom.errors import LatebloomError
from latebloom.process import cores, prepare_process

if TYPE_CHECKING:
    from latebloom.claims.claim import Claim
    from latebloom.claims.judging import Results
    from latebloom.forks import Forked
    from latebloom.forks import Plan as ForkPlan
    from latebloom.studies.expand import Plan

claims = App(name="claims", help="Published statements put to the test: the ledger, a claim, a claim run again.")
app.command(claims)

Ledger = Annotated[Path, Parameter(help="the folder of stored results and findings")]


@claims.default
def show(claim: str | None = None, /, *, folder: Ledger = Path("claims"), as_json: AsJson = False) -> None:
    """Show the ledger, or one claim: statement, set-up, rule, verdict, numbers.

    CLAIM is a number such as A1. Without it all claims are listed with their verdicts.
    """
    from latebloom.claims.judging import read_judgement
    from latebloom.claims.ledger import CLAIMS, claim_of

    if claim is None:
        told = {one.id: read_judgement(one, folder) for one in CLAIMS}
        if as_json:
            print_json({one.id: {"title": one.title, "judgement": told[one.id]} for one in CLAIMS})
        else:
            _list(CLAIMS, told, folder.is_dir())
            if not folder.is_dir():
                console().print(
                    f"No results in {folder}: the published ones are in the folder claims of latebloom's repository "
                    "(--folder names it), and `latebloom claims run ID` makes some here."
                )
        return
    one = claim_of(claim)
    found = read_judgement(one, folder)
    if as_json:
        texts = {name: getattr(one, name) for name in ("id", "statement", "source", "published", "departures", "rule")}
        print_json(texts | {"studies": list(one.reads), "judgement": found})
        return
    out = console()
    out.print(f"{one.id}  {one.statement}\n    {one.source}\n", highlight=False)
    parts = {"as published": one.published, "ours": one.departures, "rule": one.rule, "would change it": one.change}
    for head, text in parts.items():
        if text:
            out.print(f"{head}: {text}\n", highlight=False)
    if found is None:
        out.print(_not_run(one), highlight=False)
    else:
        _tell(out, found)
        _explain(out, one, found)
        out.print(
            f"\n{found['seeds']} seeds in each cell; {found['minutes']:.0f} minutes of runs, one after the other\n"
            f"Finding: {folder / one.id / 'finding.md'}",
            highlight=False,
        )


@claims.command
def run(
    claim: str,
    /,
    *,
    seeds: Annotated[int | None, Parameter(help="seeds in every cell [default: the studies' own, 5]")] = None,
    quick: Annotated[bool, Parameter(help="a small version, in seconds, where the claim has one")] = False,
    folder: Ledger = Path("claims"),
    runs: RunsFolder = Path("runs"),
    engine: Annotated[Literal["local", "ray"], Parameter(help="processes here, or a Ray cluster")] = "local",
    address: Annotated[str | None, Parameter(help="of the Ray cluster, host:port or auto")] = None,
    workers: Annotated[int | None, Parameter(help="tasks at a time [default: one for each core]")] = None,
    as_json: AsJson = False,
) -> None:
    """Train or resume the studies of a claim, judge it by its rule, and write the finding with its figures.

    Runs lie in the runs folder by their study's name and are trained once, also when several claims read them. Results,
    figures and finding go into the folder of the ledger, those of a quick version into its folder `quick`.
    """
    if seeds is not None and not 1 <= seeds <= 1000:
        raise LatebloomError(f"--seeds: expected a number from 1 to 1000, got {seeds}")
    if workers is not None and not 1 <= workers <= 4096:
        raise LatebloomError(f"--workers: expected a number from 1 to 4096, got {workers}")
    if engine == "local" and address is not None:
        raise LatebloomError("--address is for --engine ray")
    prepare_process()
    from latebloom.claims.ledger import claim_of
    from latebloom.claims.running import repeat, write_ledger

    one = claim_of(claim)
    progress = Console(quiet=as_json, soft_wrap=True, markup=False, emoji=False)
    made = partial(_engine, engine, workers or cores(), address)
    train, grow = partial(_train, runs=runs, made=made, progress=progress), partial(_grow, runs=runs, quiet=as_json)
    done = repeat(one, runs, folder, train, grow, seeds, quick)
    if not quick:
        write_ledger(folder)
    _say(one, done.judgement.to_json(), done.finding, as_json)


@claims.command
def judge(claim: str, /, *, folder: Ledger = Path("claims"), as_json: AsJson = False) -> None:
    """Judge stored results anew, without training: for a changed rule, text or figure. CLAIM may be `all`."""
    from latebloom.claims.judging import has_results, stored_results
    from latebloom.claims.judging import judge as judged
    from latebloom.claims.ledger import CLAIMS, claim_of
    from latebloom.claims.running import write_ledger
    from latebloom.claims.writing import publish

    chosen = [one for one in CLAIMS if has_results(one, folder)] if claim == "all" else [claim_of(claim)]
    told = []
    for one in chosen:
        results: Results = stored_results(one, folder)
        found = judged(one, results)
        told.append((one, found.to_json(), publish(one, found, results, folder)))
    # before anything is printed: a reader such as `head` may end the command
    write_ledger(folder)
    for one, found, finding in told:
        _say(one, found, finding, as_json)


def _not_run(one: Claim) -> str:
    """What it takes to run a claim, by trying a few steps of its runs."""
    prepare_process()
    from latebloom.claims.studies import specs_of
    from latebloom.studies.estimate import estimate

    specs = specs_of(one)
    took = max(1, round(estimate(specs).seconds / 60))
    return (
        f"Not run yet: `latebloom claims run {one.id}` trains {len(specs)} runs, judges them by the rule and writes "
        f"the finding: about {took} min of one core, if this machine is idle (the full number of steps of every run)."
    )


def _engine(engine: str, workers: int, address: str | None, folder: Path) -> Any:
    if engine == "ray":
        from latebloom.studies.cluster import RayCluster

        return RayCluster(address, 0.0, workers)
    from latebloom.studies.pool import LocalPool

    return LocalPool(workers, folder / "workers.log")


def _train(plan: Plan, runs: Path, made: Any, progress: Console) -> None:
    from latebloom.cli.sweep import failed_runs, train
    from latebloom.views.terminal import counted

    title = f"{plan.file.name}: {counted(len(plan.specs), 'run')}"
    _, failures = train(plan, runs, made, 1, progress, title, False)
    # a loss that diverged is a result, anything else is a fault
    faults = {run: error for run, error in failures.items() if not error.startswith("diverged")}
    if faults:
        raise failed_runs(faults)


def _grow(plan: ForkPlan, runs: Path, quiet: bool) -> list[Forked]:
    from latebloom.cli.fork import trained
    from latebloom.forks import prepare

    return trained(prepare(plan.parts, runs, threads=1, tell=warn), runs, quiet)


def _say(one: Claim, told: dict[str, Any], finding: Path, as_json: bool) -> None:
    if as_json:
        print_json({"claim": one.id, **told, "finding": str(finding)})
        return
    out = console()
    out.print(f"{one.id}  {one.statement}", highlight=False)
    _tell(out, told)
    out.print(f"Finding: {finding}", highlight=False)


def _tell(out: Console, told: dict[str, Any]) -> None:
    out.print(f"verdict: {told['verdict']}", highlight=False)
    for part in ("observation", "interpretation"):
        if told[part] is not None:
            out.print(f"{part}: {told[part]['verdict']}: {told[part]['why']}", highlight=False)
    for note in told["notes"]:
        out.print(f"note: {note}", highlight=False)
    listed = table("number", "value, 95 % interval", "runs")
    for number in told["numbers"].values():
        listed.add_row(number["about"], number["text"], f"{number['runs'] or ''}")
    out.print(listed)


def _explain(out: Console, one: Claim, told: dict[str, Any]) -> None:
    """What is to be learnt of a stored judgement, and what speaks against its rule."""
    numbers = {name: number["text"] for name, number in told["numbers"].items()}
    parts = [told[part]["verdict"] for part in ("observation", "interpretation") if told[part] is not None]
    lesson = one.discussion.get(", ".join(parts), "")
    for head, text in {"what is to be learnt": lesson, "what speaks against the rule": one.doubt}.items():
        if text:
            out.print(f"\n{head}: {text.format_map(numbers)}", highlight=False)


def _list(ledger: tuple[Claim, ...], told: dict[str, dict[str, Any] | None], here: bool) -> None:
    from latebloom.claims.writing import to_decide

    listed = table("claim", "statement", "verdict", "observation", "interpretation", "seeds", "minutes")
    for one in ledger:
        found = told[one.id]
        if found is None:
            listed.add_row(one.id, one.title, "open" if here else "not here", "–", "–", "–", to_decide(one))
            continue
        parts = ["–" if found[part] is None else found[part]["verdict"] for part in ("observation", "interpretation")]
        listed.add_row(one.id, one.title, found["verdict"], *parts, f"{found['seeds']}", f"{found['minutes']:.0f}")
    console().print(listed)
    console().print(
        "\nMinutes: all runs that a claim reads, one after the other, on a busy machine (claims that read the same "
        "study "
        "share them);\n~ what an open claim takes, roughly. `latebloom claims ID` tells one.",
        highlight=False,
    )

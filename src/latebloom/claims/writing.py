"""Findings as Markdown: every number in them is filled in from a stored judgement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from latebloom.claims.claim import LEAST_SEEDS, Claim, Drawn, Judgement
from latebloom.claims.judging import read_judgement, write_judgement
from latebloom.claims.results import Results
from latebloom.errors import LatebloomError
from latebloom.views.inks import save

HEAD = """# Claims

Statements about grokking that others have published, put to the test. Each has a rule that was written before its
results were looked at (the history of `src/latebloom/claims/statements/` shows it), and **two verdicts**: whether what
was observed is there, and whether it means what was said. The verdict is that of both where they agree, of the other
where one is open, else mixed. Open: not decided yet; preliminary: fewer than five seeds; †: the rule turned out to be
doubtful, and the finding says why: the verdict stays the rule's. `latebloom claims run ID` repeats one; `latebloom
claims judge ID` judges the stored results anew, for those who change a rule.

An interval is one of 95 % over seeds; that of a median of five is their range, which holds the median in 94 of 100
cases. Rules about sizes ask for a whole interval on one side of a bound; rules that count runs ask for four of five,
since no count of five has a narrow interval (five of five: [48 %, 100 %]). **Minutes** are the wall time of all runs
that a claim reads, one after the other, on one thread each, on a machine that was busy with other things: an upper
bound. Claims that read the same study share its runs and minutes: A1 to A6 one, B3 to B5 and D4 another. Of an open
claim they are what it takes to decide it, roughly."""

DOUBTED = " †"

HOW = """## Disagree, or add one

- From a clone: `make .venv/.installed`, then `.venv/bin/latebloom claims judge A1` judges A1 again from the curves
  that are stored here, in seconds; `.venv/bin/latebloom claims run B6` trains its runs again; `--quick` trains small
  versions in a minute or two, of {quick}, two of which `make test` repeats.
- The raw curves are `polars.read_parquet("claims/studies/NAME/curves.parquet")`: a row a run and step.
- `studies/NAME/` beside the findings holds, of every study, its file (`study.toml`), a row a run (`runs.parquet`: axes,
  seed, steps of events; below), the curves that rules and figures read (`curves.parquet`) and versions (`made.json`).
- Columns of `runs.parquet`: `run`, `seed`, every axis by its path; of an event `memorised.step`, or
  `memorised.censored_at` where it was not seen up to there, and `memorised.after`, the last evaluation before it;
  **`grokked.*` is the time to generalise (test accuracy ≥ 0.95, sustained), late or not**; `end_state`, `phase`,
  `end_reason`, `end_budget`; `train_end` and `test_end`, accuracies at the end, the latter without pairs whose
  transposes are trained on; `wall_s`.
- A claim is one file of `src/latebloom/claims/statements/`: texts, the rule in words and as a function of results,
  figures. Change the function, then `latebloom claims judge ID`; a changed study is `latebloom claims run ID`.
- The text of a finding that says what is to be learnt is kept with the verdicts that it was written for, and left out
  when one of them is another.
- The rule is committed before the study is run. A digest of its words is stored with the first judgement
  (`judgement.json`); a rule that is changed afterwards is headed so in the finding."""

ASKED = {
    "A": '"Cleanup Phase Analysis Summary": cos(g, Hg) of an MLP that learns addition mod 97',
    "B": '"Grokking: Extended Analysis": weight decay, width and sparsity of a one-hot MLP on addition mod 97',
    "C": "a summary of Nanda et al. 2023, arXiv 2301.05217",
    "D": '"Grokking: Delayed Generalization After Memorization", an overview',
}


def publish(claim: Claim, judgement: Judgement, results: Results, folder: Path) -> Path:
    """Writes a claim's judgement, figures and finding into its folder.

    Raises:
        LatebloomError: the disk refuses.
    """
    told = write_judgement(claim, judgement, results, folder)
    place = folder / claim.id
    drawn = claim.figures(results)
    for name, one in drawn.items():
        save(one.figure, place / f"{name}.png")
    text = "\n".join([f"# {claim.id}: {claim.title}", "", *finding(claim, judgement, told, results, drawn), ""])
    try:
        (place / "finding.md").write_text(text, "utf-8")
    except OSError as error:
        raise LatebloomError(f"{place} cannot be written: {error.strerror}") from error
    return place / "finding.md"


def finding(
    claim: Claim, judgement: Judgement, told: dict[str, Any], results: Results, drawn: dict[str, Drawn]
) -> list[str]:
    """The lines of a finding, without its title."""
    lines = [f"> {claim.statement}", f"> — {claim.source}", "", f"**{told['verdict'].capitalize()}.**", ""]
    for part in ("observation", "interpretation"):
        if told[part] is not None:
            lines += [f"- {part.capitalize()}, **{told[part]['verdict']}**: {told[part]['why']}"]
    lines += [f"- Note: {note}" for note in told["notes"]]
    if text := claim.discussion.get(judgement.verdicts):
        lines += ["", judgement.said(text)]
    for name, one in drawn.items():
        caption = judgement.said(one.caption)
        lines += ["", f"![{claim.title}: {name.replace('-', ' ')}]({name}.png)", "", caption]
    lines += ["", "| number | value, 95 % interval | runs |", "|---|---|---|"]
    lines += [f"| {n['about']} | {n['text']} | {n['runs'] or ''} |" for n in told["numbers"].values()]
    lines += ["", f"**Set-up as published.** {claim.published}", "", f"**Ours.** {claim.departures}"]
    lines += [
        "",
        f"**{rule_title(told)}.** {claim.rule}",
        "",
        *([f"**What speaks against the rule.** {judgement.said(claim.doubt)}", ""] if claim.doubt else []),
        f"**What would change it.** {claim.change}",
    ]
    studies = ", ".join(f"[{name}](../studies/{name}/study.toml)" for name in results)
    made = next(iter(results.values())).facts["made"]
    lines += [
        "",
        f"**Again.** `latebloom claims run {claim.id}`: the runs of its studies ({studies}), {told['seeds']} seeds in "
        f"each cell, took {_minutes(told['minutes'])} one after the other, one thread each, on a busy machine. Made "
        f"with latebloom {made['latebloom']}, PyTorch {made['torch']}, {made['processor']}. Raw curves: "
        "`curves.parquet` beside each.",
    ]
    return lines


def rule_title(told: dict[str, Any]) -> str:
    """What a stored judgement says of its rule: whether it is that by which the results were judged first."""
    if told["rule"]["first"] == told["rule"]["now"]:
        return "Rule, written before the results"
    return "Rule, CHANGED after these results had been judged by another"


def _minutes(minutes: float) -> str:
    return "less than a minute" if minutes < 1 else f"{minutes:.0f} minute{'s' * (round(minutes) != 1)}"


def ledger_table(claims: Sequence[Claim], folder: Path, link: str) -> list[str]:
    """A row a claim: verdicts, seeds and cost; `link` is the address of a finding with `{}` for the claim's id."""
    lines = [
        "| claim | statement | verdict | observation | interpretation | seeds | minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim in claims:
        told = read_judgement(claim, folder)
        if told is None:
            lines.append(f"| {claim.id} | {claim.title} | open | – | – | – | {to_decide(claim)} |")
            continue
        parts = ["–" if told[part] is None else told[part]["verdict"] for part in ("observation", "interpretation")]
        name = f"[{claim.id}]({link.format(claim.id)})"
        verdict = f"**{told['verdict']}**" + (", preliminary" if told["seeds"] < LEAST_SEEDS else "")
        verdict += DOUBTED * bool(claim.doubt)
        cells = [name, claim.title, verdict, *parts, f"{told['seeds']}", f"{told['minutes']:.0f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def to_decide(claim: Claim) -> str:
    """The minutes that an open claim takes, as tables show them."""
    return f"~{claim.budget:,}" if claim.budget else "–"


def _how(claims: Sequence[Claim]) -> str:
    return HOW.format(quick=", ".join(claim.id for claim in claims if claim.quick is not None))


def ledger_text(claims: Sequence[Claim], folder: Path) -> str:
    """The page beside the findings: the table, and what each open claim would take."""
    lines = [HEAD, "", *ledger_table(claims, folder, "{}/finding.md"), "", *_asked(), "", *_open(claims, folder)]
    return "\n".join([*lines, _how(claims), ""])


def page_text(claims: Sequence[Claim], folder: Path, images: str) -> str:
    """The page of the documentation: the table, then every finding; `images` is the address of `folder` from there."""
    lines = [HEAD, "", *ledger_table(claims, folder, "#{}"), "", *_asked(), ""]
    for claim in claims:
        place = folder / claim.id / "finding.md"
        if not place.is_file():
            continue
        text = place.read_text("utf-8").removeprefix("# ")
        for path in sorted((folder / claim.id).glob("*.png")):
            text = text.replace(f"({path.name})", f"({images}/{claim.id}/{path.name})")
        text = text.replace("(../studies/", f"({images}/studies/")
        lines += [f"({claim.id})=", f"## {text}"]
    return "\n".join([*lines, *_open(claims, folder), _how(claims), ""])


def _asked() -> list[str]:
    return [f"- {letter}: {what}." for letter, what in ASKED.items()]


def _open(claims: Sequence[Claim], folder: Path) -> list[str]:
    left = [claim for claim in claims if read_judgement(claim, folder) is None]
    if not left:
        return []
    return ["## Open", "", *(f"- **{c.id}** {c.statement} {_to_run(c)}" for c in left), ""]


def _to_run(claim: Claim) -> str:
    return (
        f"It has a rule and no results: `latebloom claims run {claim.id}`; `latebloom claims {claim.id}` says how long."
    )

"""A claim from its studies to its finding: trained or gone on with, collected, judged and written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from latebloom.claims.claim import Claim, Judgement
from latebloom.claims.forking import Grow, collect_forks
from latebloom.claims.judging import judge
from latebloom.claims.ledger import CLAIMS
from latebloom.claims.results import Examination, Results, collect, write_part
from latebloom.claims.studies import plan_of_study, study_text
from latebloom.claims.writing import ledger_text, publish
from latebloom.errors import LatebloomError
from latebloom.studies.expand import Plan

Train = Callable[[Plan], None]
"""Trains every run of a plan that is not finished, in its folder below the runs folder."""


@dataclass(frozen=True)
class Repeated:
    """A claim that was run again.

    Attributes:
        judgement: what its rule says.
        results: what it says it of.
        finding: the file that it was written into.
    """

    judgement: Judgement
    results: Results
    finding: Path


def repeat(
    claim: Claim, runs: Path, folder: Path, train: Train, grow: Grow, seeds: int | None = None, quick: bool = False
) -> Repeated:
    """Runs or resumes a claim's studies, judges it, and writes its finding.

    Args:
        claim: which.
        runs: the runs folder.
        folder: of the ledger's results and findings; those of quick versions go into its folder `quick`.
        train: trains a study.
        grow: trains forks of a study's runs.
        seeds: so many instead of each study's own.
        quick: whether the small version is run.

    Raises:
        LatebloomError: the claim has no small version, or a run or fork has failed.
    """
    if quick and claim.quick is None:
        raise LatebloomError(f"{claim.id} has no quick version: nothing small enough for seconds would decide it")
    place = folder / "quick" if quick else folder
    results: Results = {}
    for name in claim.reads:
        if name in claim.forks:
            study = claim.forks[name]
            results[name] = collect_forks(name, runs / study, results[study], wanted(name), grow)
        else:
            plan = plan_of_study(name, seeds, (claim.quick or {}).get(name, {}) if quick else None)
            train(plan)
            results[name] = collect(runs / plan.file.name, wanted(name), study_text(name), examinations(name))
        write_part(results[name], place / "studies" / name)
    judgement = judge(claim, results)
    if quick:  # what is to be learnt was written for the whole study
        small = "; ".join(f"{study}: {_said(changes)}" for study, changes in (claim.quick or {}).items())
        told = f"{claim.departures} **A small version of that**, with {small}."
        claim = replace(claim, discussion={}, doubt="", departures=told)
    return Repeated(judgement, results, publish(claim, judgement, results, place))


def _said(changes: Mapping[str, Any]) -> str:
    return ", ".join(f"`{path} = {value}`" for path, value in changes.items())


def wanted(study: str) -> list[str]:
    """Every scalar and array that some claim reads of a study."""
    return list(dict.fromkeys(name for claim in CLAIMS for name in claim.reads.get(study, ())))


def examinations(study: str) -> list[Examination]:
    """What the claims take from the checkpoints of a study's runs."""
    return list(dict.fromkeys(claim.examines[study] for claim in CLAIMS if study in claim.examines))


def write_ledger(folder: Path) -> Path:
    """Writes the table of all claims beside their findings.

    Raises:
        LatebloomError: the disk refuses.
    """
    place = folder / "README.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place.write_text(ledger_text(CLAIMS, folder), "utf-8")
    except OSError as error:
        raise LatebloomError(f"{place} cannot be written: {error.strerror}") from error
    return place

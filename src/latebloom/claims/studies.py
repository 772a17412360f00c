"""The studies that claims read: files beside this one, as `latebloom sweep` takes them, and small versions of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latebloom.studies.expand import Plan, expand
from latebloom.studies.study import StudyError, study_from

if TYPE_CHECKING:
    from latebloom.claims.claim import Claim
    from latebloom.spec import RunSpec

FOLDER = Path(__file__).parent / "studies"


def study_text(name: str) -> str:
    """The file of a study."""
    return (FOLDER / f"{name}.toml").read_text("utf-8")


def plan_of_study(name: str, seeds: int | None = None, quick: Mapping[str, Any] | None = None) -> Plan:
    """The runs of a study.

    Args:
        name: of its file.
        seeds: so many instead of its own: the first of its list, then those from 0 on that are not in it.
        quick: entries of the file's tables that are set, by dotted path.

    Raises:
        StudyError: the changes do not fit.
    """
    table = tomllib.loads(study_text(name))
    if quick is not None:
        for path, value in quick.items():
            _set(table, path, value)
        table["name"] = f"{name}-quick"
    if seeds is not None:
        own = table["seeds"] if isinstance(table["seeds"], list) else []
        more = (seed for seed in range(seeds + len(own)) if seed not in own)
        table["seeds"] = [*own, *more][:seeds]
    study, faults = study_from(table, FOLDER / f"{name}.toml")
    if faults:
        raise StudyError(faults)
    return expand(study)


def specs_of(claim: Claim) -> list[RunSpec]:
    """What a claim trains; a fork as the run that it is a fork of, whole."""
    own = {name: list(plan_of_study(name).specs.values()) for name in claim.reads if name not in claim.forks}
    grown = {name: len(tomllib.loads(study_text(name))["change"]) * own[study] for name, study in claim.forks.items()}
    return [spec for specs in (own | grown).values() for spec in specs]


def _set(table: dict[str, Any], path: str, value: Any) -> None:
    """Sets an entry; the first word is a table of the file, the rest the field's path, as the file writes it."""
    head, _, rest = path.partition(".")
    if rest:
        fields = table.setdefault(head, {})
        # the file may write optim.lr = 1 within [set]: tomllib makes a table of each word
        for word in rest.split(".")[:-1]:
            fields = fields.setdefault(word, {})
        fields[rest.split(".")[-1]] = value
    else:
        table[head] = value

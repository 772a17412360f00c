"""From stored results to verdicts: judged, drawn, written down, and read again."""

from __future__ import annotations

import hashlib
import json
import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from latebloom.claims.claim import LEAST_SEEDS, Claim, Judgement
from latebloom.claims.results import EXAMINED, Results, read_part
from latebloom.errors import LatebloomError

STORED = {"verdict", "observation", "interpretation", "numbers", "notes", "seeds", "minutes", "rule"}
"""What a stored judgement holds."""


def judge(claim: Claim, results: Results) -> Judgement:
    """The claim's rule on results, with a note where there are few seeds.

    Raises:
        LatebloomError: the results lack what the rule reads.
    """
    try:
        found = claim.judge(results)
    except pl.exceptions.ColumnNotFoundError as error:
        raise LatebloomError(
            f"{claim.id}: its results lack {str(error).splitlines()[0]}, which the rule reads; `latebloom claims run "
            f"{claim.id}` collects them anew"
        ) from error
    seeds = min(results[name].seeds for name in claim.reads)
    if seeds < LEAST_SEEDS:
        few = f"preliminary: {seeds} seeds in a cell, and the ledger asks for {LEAST_SEEDS}"
        found = replace(found, notes=(*found.notes, few))
    return found


def stored_results(claim: Claim, folder: Path) -> Results:
    """What is stored of the claim's studies.

    Raises:
        LatebloomError: a study is missing or damaged.
    """
    results: Results = {}
    for name in claim.reads:
        part = read_part(folder / "studies" / name)
        if part is None or (name in claim.examines and not part.examined.height):
            raise LatebloomError(
                f"{claim.id}: {folder} has no results of the study {name}; `latebloom claims run {claim.id}` trains it"
            )
        results[name] = part
    return results


def has_results(claim: Claim, folder: Path) -> bool:
    """Whether results of all of the claim's studies are stored."""
    asked = [(name, "runs.parquet") for name in claim.reads] + [(name, EXAMINED) for name in claim.examines]
    return all((folder / "studies" / name / file).is_file() for name, file in asked)


def minutes(results: Results) -> float:
    """Minutes that the runs took, one after the other, on one thread each."""
    return sum(float(part.runs["wall_s"].sum()) for part in results.values()) / 60


def write_judgement(claim: Claim, judgement: Judgement, results: Results, folder: Path) -> dict[str, Any]:
    """Stores a judgement as JSON, and returns what is in it."""
    seeds = min(part.seeds for part in results.values())
    rule = {"first": _first_rule(claim, folder), "now": digest(claim.rule)}
    told = judgement.to_json() | {"seeds": seeds, "minutes": round(minutes(results), 1), "rule": rule}
    place = folder / claim.id
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / "judgement.json").write_text(json.dumps(_plain(told), ensure_ascii=False, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise LatebloomError(f"{place} cannot be written: {error.strerror}") from error
    return told


def digest(rule: str) -> str:
    """Of a rule's words, bounds among them."""
    return hashlib.sha256(rule.encode()).hexdigest()[:12]


def _first_rule(claim: Claim, folder: Path) -> str:
    """The digest of the rule by which the stored results were judged first."""
    with suppress(LatebloomError):  # a damaged judgement is written anew
        if before := read_judgement(claim, folder):
            return before["rule"]["first"]
    return digest(claim.rule)


def read_judgement(claim: Claim, folder: Path) -> dict[str, Any] | None:
    """The stored judgement; None where there is none.

    Raises:
        LatebloomError: it is damaged.
    """
    place = folder / claim.id / "judgement.json"
    try:
        told = json.loads(place.read_text("utf-8"))
        if not isinstance(told, dict) or not told.keys() >= STORED:
            raise ValueError(f"expected {', '.join(sorted(STORED))}")
        if not isinstance(told["rule"], dict) or told["rule"].keys() != {"first", "now"}:
            raise ValueError("expected the digests first and now of its rule")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LatebloomError(
            f"{place} is no judgement ({error}): `latebloom claims judge {claim.id}` writes it anew"
        ) from error
    return told


def _plain(value: Any) -> Any:
    """Data for JSON, which has no NaN and no infinity."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

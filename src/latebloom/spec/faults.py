"""Faults of a spec, all at once: where, what was expected, what was got, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from latebloom.errors import LatebloomError


@dataclass(frozen=True)
class Fault:
    """One thing wrong at one path ("model.n_heads")."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SpecError(LatebloomError):
    """A spec that cannot be run, with every fault found."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        head = "the spec has a fault" if len(faults) == 1 else f"the spec has {len(faults)} faults"
        super().__init__("\n".join([f"{head}:", *(f"  {fault}" for fault in faults)]))


def suggestion(word: str, known: Iterable[str]) -> str:
    """The end of a message: "did you mean X?" for the nearest known word, else the list of known words."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(known)}" if known else "; there are none"


def from_pydantic(
    errors: Iterable[Any], prefix: tuple[str, ...], known: Mapping[tuple[str, ...], Iterable[str]]
) -> list[Fault]:
    """Pydantic's error list as faults.

    Args:
        errors: as a `ValidationError` has them.
        prefix: the path of what was validated.
        known: the field names of each table to suggest from, by its path below the prefix.
    """
    return [_fault(error, prefix, known) for error in errors]


def _fault(error: Any, prefix: tuple[str, ...], known: Mapping[tuple[str, ...], Iterable[str]]) -> Fault:
    path = ".".join(str(part) for part in (*prefix, *error["loc"]))
    got = error["input"]
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        *table, name = error["loc"]
        return Fault(path, f"no such field{suggestion(str(name), known[tuple(table)])}")
    if error["type"] == "missing":
        return Fault(path, "expected a value, got none")
    if error["type"] == "value_error":
        return Fault(path, str(error["ctx"]["error"]))
    message = error["msg"].replace("Input should be ", "expected ").replace("Input should have ", "expected ")
    return Fault(path, f"{message[0].lower()}{message[1:]}, got {got!r}")

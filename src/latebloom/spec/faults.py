"""Faults of a spec, all at once: where, what was expected, what was got, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
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
    return f"; known: {', '.join(known)}"


def from_pydantic(errors: Iterable[Any], prefix: tuple[str, ...], known: Iterable[str]) -> list[Fault]:
    """Pydantic's error list as faults; `known` are the field names to suggest from."""
    return [_fault(error, prefix, list(known)) for error in errors]


def _fault(error: Any, prefix: tuple[str, ...], known: list[str]) -> Fault:
    path = ".".join(str(part) for part in (*prefix, *error["loc"]))
    got = error["input"]
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return Fault(path, f"no such field{suggestion(str(error['loc'][-1]), known)}")
    if error["type"] == "missing":
        return Fault(path, "expected a value, got none")
    if error["type"] == "value_error":
        return Fault(path, str(error["ctx"]["error"]))
    message = error["msg"].replace("Input should be ", "expected ").replace("Input should have ", "expected ")
    return Fault(path, f"{message[0].lower()}{message[1:]}, got {got!r}")

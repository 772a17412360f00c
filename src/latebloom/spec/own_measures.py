"""Measures of the user's own: found by `file.py:object` or `module:object`, and told apart from what is built in."""

from __future__ import annotations

import hashlib
import re

from latebloom.measures import MEASURES, RECORDS, Measure, Record, own_words
from latebloom.spec.named import find_object, source_file

LOG_COLUMNS = ("run", "step")


def own_measures(choice: str) -> tuple[Measure, ...]:
    """The user's own among the measures of a choice, in its order.

    Raises:
        ValueError: a file holds no such measure, or a name is taken.
    """
    found: list[Measure] = []
    names, columns = {measure.name for measure in MEASURES}, {*RECORDS, *LOG_COLUMNS}
    for word in own_words(choice):
        measure = _measure(word)
        if measure.name in names:
            raise ValueError(f"{word}: expected a name of its own, got {measure.name!r}, which another measure has")
        for record in measure.records:
            if record.name in columns:
                raise ValueError(f"{word}: expected records with names of their own, got {record.name!r} once more")
            columns.add(record.name)
        names.add(measure.name)
        found.append(measure)
    return tuple(found)


def digest_of(choice: str) -> str | None:
    """SHA-256 of the source files of the user's own measures, each once; None where there are none."""
    files = dict.fromkeys(filter(None, (source_file("measures", word) for word in own_words(choice))))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest() if files else None


def _measure(word: str) -> Measure:
    measure = find_object(word, "a Measure", lambda value: isinstance(value, Measure))
    if not isinstance(measure.name, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", measure.name):
        raise ValueError(f"{word}: expected a name of small letters, digits and dashes, got {measure.name!r}")
    records = measure.records
    if not isinstance(records, tuple) or not records or not all(isinstance(r, Record) for r in records):
        raise ValueError(f"{word}: expected records, one for each number, got {measure.records!r}")
    for record in records:
        if not re.fullmatch(r"[A-Za-z]\w*", record.name):
            raise ValueError(f"{word}: expected a record's name of letters, digits and _, got {record.name!r}")
    if not callable(measure.compute) or not callable(measure.lacking):
        raise ValueError(f"{word}: expected functions as compute and lacking, got {measure.compute!r}")
    if not isinstance(measure.cost, int | float) or not 0 < measure.cost < 1e6:
        raise ValueError(f"{word}: expected a cost above 0, in training steps of nanda2023, got {measure.cost!r}")
    return measure

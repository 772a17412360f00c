"""Which measures are taken, and at which log rows."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import torch
import xarray

from latebloom.errors import LatebloomError
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Level, Measure, Values, checked
from latebloom.measures.registry import MEASURES

SETS: tuple[Level, ...] = ("light", "default", "all")
ALWAYS = "fit"
"""Events and the stop rule read it, so it belongs to every choice."""


def own_words(choice: str) -> list[str]:
    """The words of a choice that name the user's own, `file.py:object` or `module:object`, each once."""
    return list(dict.fromkeys(word for word in choice.split(",") if ":" in word))


def chosen(choice: str) -> tuple[Measure, ...]:
    """The measures of a choice: `none` (only how well the network answers), `light`, `default`, `all`, or a list.

    A list has sets and measures, separated by commas: `light,spectrum`. What it names of the user's own is left out
    (`RunSpec.measures` has it): reading somebody's choice must not run their file.

    Raises:
        LatebloomError: a word is neither a set nor a measure.
    """
    known = {measure.name: measure for measure in MEASURES}
    names = {ALWAYS}
    for word in choice.split(","):
        if word in SETS:
            names |= {m.name for m in MEASURES if SETS.index(m.level) <= SETS.index(word)}
        elif word in known:
            names.add(word)
        elif word != "none" and ":" not in word:
            raise LatebloomError(
                f"expected none, light, default, all or measures separated by commas "
                f"({', '.join(known)}), got {word!r}{_hint(word, [*SETS, *known])}; your own: file.py:object"
            )
    return tuple(measure for measure in MEASURES if measure.name in names)


def due(measures: Sequence[Measure], step: int, gap: int, strides: Mapping[str, int]) -> tuple[Measure, ...]:
    """Those that are taken at the log row of `step`, where log rows are `gap` steps apart.

    Args:
        measures: all that are chosen.
        step: of the row.
        gap: steps from this row to the next.
        strides: log rows from one taking to the next, by the measure's name.
    """
    return tuple(m for m in measures if m.name == ALWAYS or step % (gap * strides[m.name]) == 0)


def check_strides(strides: Mapping[str, int], own: Iterable[str] = ()) -> None:
    """Whether all names are measures, built in or among the names of the user's own.

    Raises:
        LatebloomError: one is not.
    """
    known = [*(measure.name for measure in MEASURES), *own]
    for name in strides:
        if name == ALWAYS:
            raise LatebloomError(f"{name} is taken at every log row: the events read it")
        if name not in known:
            raise LatebloomError(f"expected the name of a measure, got {name!r}{_hint(name, known)}")


def _hint(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def take(probe: Probe, measures: Sequence[Measure] = MEASURES) -> Values:
    """Every one of `measures` that applies, by the names of their records.

    Raises:
        LatebloomError: one gives something else than its records say.
    """
    values: Values = {}
    with torch.no_grad():
        for measure in measures:
            if not measure.missing(probe.subject) and (probe.update is not None or not measure.needs_update):
                values |= checked(measure, measure.compute(probe))
    # a group of two elements with a zero apart has no frequency: an array of nothing says nothing
    return {name: value for name, value in values.items() if not isinstance(value, xarray.DataArray) or value.size}


def missing(subject: Subject, measures: Sequence[Measure] = MEASURES) -> dict[str, str]:
    """The measures that do not apply, with the reason of each."""
    return {measure.name: why for measure in measures if (why := measure.missing(subject))}

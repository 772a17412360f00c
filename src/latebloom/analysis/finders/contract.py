"""What every set of rules provides, and what the sets know of each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from latebloom.analysis.events import Event, Keys


@dataclass
class Marks:
    """What accuracy has shown so far, for the rules that look at a stretch only.

    Attributes:
        memorised: the step at which the training set was memorised; None while that is not known.
        halfway: the step at which half of the test set was answered right.
        generalised: the step at which the network generalised.
        at_once: whether it generalised without the delay that makes grokking.
    """

    memorised: int | None = None
    halfway: int | None = None
    generalised: int | None = None
    at_once: bool = False


class Finder(Protocol):
    """A set of rules."""

    names: tuple[str, ...]
    """The measures that are read."""

    def __init__(self, keys: Keys) -> None:
        """Begin; `keys` says which frequencies the circuit's measures take ("live" or "final")."""
        ...

    def add(self, step: int, row: Mapping[str, float], marks: Marks) -> None:
        """One log row; measures that it lacks are not looked at."""
        ...

    @property
    def events(self) -> list[Event]:
        """Every event whose measures were logged, found or not."""
        ...

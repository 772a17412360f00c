"""What became of a run of an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from latebloom.errors import LatebloomError
from latebloom.store import BusyError, no_space

Watcher = Callable[[str, int, dict[str, float]], None]
"""Called after every log row with the run's name, the step and the row's numbers; from any thread, one at a time."""


@dataclass(frozen=True)
class Outcome:
    """A run's end.

    Attributes:
        state: done; failed by itself; stopped before its end on request; busy, when another process is writing it;
            disk, when there is no space for it.
        error: why it is not done.
    """

    run_id: str
    state: Literal["done", "failed", "stopped", "busy", "disk"]
    error: str | None = None


def unwatched(run_id: str, step: int, row: dict[str, float]) -> None:
    """Watches nothing."""


def failure(run_id: str, error: BaseException) -> Outcome:
    """The outcome of a run that raised."""
    text = str(error) if isinstance(error, LatebloomError) else f"{type(error).__name__}: {error}"
    if isinstance(error, BusyError):
        return Outcome(run_id, "busy", text)
    return Outcome(run_id, "disk" if isinstance(error, Exception) and no_space(error) else "failed", text)

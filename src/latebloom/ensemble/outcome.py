"""What became of a run of an ensemble."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from latebloom.errors import LatebloomError

Watcher = Callable[[str, int, dict[str, float]], None]
"""Called after every log row with the run's name, the step and the row's numbers; from any thread, one at a time."""


@dataclass(frozen=True)
class Outcome:
    """A run's end.

    Attributes:
        state: done, failed, or stopped before its end on request.
        error: why it failed or was stopped; None of a run that is done.
    """

    run_id: str
    state: Literal["done", "failed", "stopped"]
    error: str | None = None


def unwatched(run_id: str, step: int, row: dict[str, float]) -> None:
    """Watches nothing."""


def failure(run_id: str, error: BaseException) -> Outcome:
    """The outcome of a run that raised."""
    text = str(error) if isinstance(error, LatebloomError) else f"{type(error).__name__}: {error}"
    return Outcome(run_id, "failed", text)

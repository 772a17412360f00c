"""What a fork begins with, in one file of its own folder: its parent's state, and its parent's log up to there.

With it a fork needs its parent no more, and is resumed as any run is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latebloom.store import checkpoints
from latebloom.store.faults import StoreError

if TYPE_CHECKING:
    import polars
    from torch import Tensor

History = dict[str, list[Any]]
"""Columns of a log by name, `step` among them; null where a row lacks a measure."""


@dataclass(frozen=True, eq=False)
class Origin:
    """A fork's beginning.

    Attributes:
        step: the updates that lie behind it.
        tensors: of the state, named as in a checkpoint.
        history: the parent's log rows before that step.
    """

    step: int
    tensors: dict[str, Tensor]
    history: History

    def rows(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Each step of the history with the measures it has."""
        names = [name for name in self.history if name != "step"]
        for place, step in enumerate(self.history.get("step", [])):
            yield step, {name: v for name in names if (v := self.history[name][place]) is not None}


def history_of(scalars: polars.DataFrame, step: int) -> History:
    """The rows before a step of a run's scalars."""
    before = scalars.filter(scalars["step"] < step).sort("step")
    return {name: before[name].to_list() for name in before.columns if name != "run"}


def write_origin(path: Path, origin: Origin, facts: Mapping[str, Any]) -> None:
    """Write a fork's beginning, whole or not at all.

    Raises:
        StoreError: when the disk refuses.
    """
    checkpoints.save(path, origin.tensors, {**facts, "step": origin.step, "history": origin.history})


def read_origin(path: Path) -> Origin:
    """Read it back, bit for bit.

    Raises:
        StoreError: when it is missing, damaged, or not as `write_origin` writes it.
    """
    tensors, meta = checkpoints.load(path)
    step, history = meta.get("step"), meta.get("history")
    if not isinstance(step, int) or not isinstance(history, dict) or not _square(list(history.values())):
        raise StoreError(f"{path} is not as latebloom writes it: delete the fork's folder and fork again.")
    return Origin(step, tensors, history)


def _square(columns: list[Any]) -> bool:
    return all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns)

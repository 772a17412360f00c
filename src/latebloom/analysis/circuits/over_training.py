"""The progress measures over training with the final network's key frequencies, as Nanda et al. 2023 draw them.

The frequencies come from the last network and are used for every earlier one, so these curves know the future: they
say when the final circuit was there, and predict nothing. The measures taken during training use each step's own
frequencies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import torch

from latebloom.analysis.circuits.circuit import NoCircuitError
from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.measures.cyclic import CyclicLogits, CyclicTable, missing_cyclic
from latebloom.measures.excluded import excluded_values, train_pairs
from latebloom.measures.fit import FIT
from latebloom.measures.fourier import FOURIER
from latebloom.measures.keys import key_frequencies
from latebloom.measures.norms import NORMS
from latebloom.measures.probe import Probe
from latebloom.measures.progress import gap_hits, gap_losses, pair_gaps
from latebloom.measures.restricted import by_split, restricted_by_answer
from latebloom.store.layout import finite_json

if TYPE_CHECKING:
    from latebloom.store import Run


@dataclass(frozen=True)
class Landmark:
    """When a curve did something, to the checkpoints' resolution.

    Attributes:
        name: what happened.
        step: the first checkpoint at which it had; None where it had not.
        before: the checkpoint before; None where there is none.
    """

    name: str
    step: int | None
    before: int | None


@dataclass(frozen=True)
class OverTraining:
    """Progress measures of every checkpoint.

    Attributes:
        keys: the final network's key frequencies.
        curves: one row a checkpoint: step, losses, accuracies, restricted and excluded losses, norms, Gini indices.
        landmarks: in the order of their steps.
    """

    keys: tuple[int, ...]
    curves: pl.DataFrame
    landmarks: tuple[Landmark, ...]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data; null where a number is not finite."""
        curves = self.curves.to_dict(as_series=False)
        return finite_json(
            {"keys": list(self.keys), "curves": curves, "landmarks": [asdict(mark) for mark in self.landmarks]}
        )


def over_training(run: Run, keys: Sequence[int] | None = None) -> OverTraining:
    """The curves of a run's checkpoints.

    Args:
        run: with at least one checkpoint.
        keys: the frequencies; None takes those of the newest checkpoint by `key_frequencies`.

    Raises:
        NoCircuitError: the task has no cyclic group, or the final network no key frequency.
        LatebloomError: the run cannot be rebuilt.
    """
    _, last = probe_of(run)
    if why := missing_cyclic(last.subject):
        raise NoCircuitError(f"{last.subject.task.title}: {why}")
    final = tuple(keys) if keys is not None else key_frequencies(CyclicLogits.of(last))
    if not final:
        raise NoCircuitError("the final network has no key frequency, so there is none to follow over training")
    rows = []
    with torch.no_grad():
        for step in run.checkpoints:
            rows.append({"step": step} | _row(Probe(last.subject, run.params(step)), final))
    curves = pl.DataFrame(rows)
    return OverTraining(final, curves, landmarks(curves))


def _row(probe: Probe, keys: Sequence[int]) -> dict[str, float]:
    logits, table = CyclicLogits.of(probe), CyclicTable.of(probe.subject)
    gaps = pair_gaps(restricted_by_answer(logits, keys), torch.arange(logits.order))
    restricted = by_split(table, "restricted", gap_losses(gaps)[table.answers], gap_hits(gaps)[table.answers])
    excluded, _ = excluded_values(logits, keys, train_pairs(probe.subject))
    plain = FIT.compute(probe) | NORMS.compute(probe) | FOURIER.compute(probe)
    found = plain | restricted | excluded
    return {name: value for name, value in found.items() if isinstance(value, float)}


def landmarks(curves: pl.DataFrame) -> tuple[Landmark, ...]:
    """When the curves of `over_training` cross the thresholds by which the phases are told apart."""
    lowest = int(curves["excluded_loss"].arg_min() or 0)
    highest = int(curves["excluded_loss"].arg_max() or 0)
    figure = curves["excluded_loss_all_frequencies"]
    heaviest = int(curves["weight_norm_sq"].arg_max() or 0)
    rules: list[tuple[str, str, Callable[[pl.Series], pl.Series]]] = [
        ("training loss < 0.01", "train_loss", lambda x: x < 0.01),
        ("restricted loss < 1", "restricted_loss_all", lambda x: x < 1),
        ("restricted loss < 0.1", "restricted_loss_all", lambda x: x < 0.1),
        ("restricted loss < 0.01", "restricted_loss_all", lambda x: x < 0.01),
        ("test loss < 1", "test_loss", lambda x: x < 1),
        ("test loss < 0.1", "test_loss", lambda x: x < 0.1),
        ("test loss < 0.01", "test_loss", lambda x: x < 0.01),
        ("test accuracy ≥ 0.95", "test_accuracy", lambda x: x >= 0.95),
    ]
    found = [_crossing(curves, title, holds(curves[name])) for title, name, holds in rules]
    for title, row in (
        ("excluded loss at its least", lowest),
        ("excluded loss at its greatest", highest),
        ("excluded loss, all frequencies, at its least", int(figure.arg_min() or 0)),
        ("excluded loss, all frequencies, at its greatest", int(figure.arg_max() or 0)),
        ("Σw² at its greatest", heaviest),
    ):
        found.append(Landmark(title, int(curves["step"][row]), int(curves["step"][row - 1]) if row else None))
    return tuple(sorted(found, key=lambda mark: (mark.step is None, mark.step or 0)))


def _crossing(curves: pl.DataFrame, title: str, holds: pl.Series) -> Landmark:
    """The first checkpoint from which on it holds."""
    false = [row for row, value in enumerate(holds.to_list()) if not value]
    first = false[-1] + 1 if false else 0
    if first >= len(holds):
        return Landmark(title, None, None)
    return Landmark(title, int(curves["step"][first]), int(curves["step"][first - 1]) if first else None)

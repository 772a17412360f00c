"""One checkpoint's tables for a page: those of the neuron, attention position and answer that are being looked at."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import asdict
from threading import Lock
from typing import Any

from latebloom.analysis.inside import Inside
from latebloom.dashboard.packed import packed
from latebloom.errors import LatebloomError
from latebloom.store import Run

OPEN_RUNS = 3
CIRCLES = 6
"""Circles that are drawn at most."""


class Looker:
    """Runs that were opened for looking, the latest few; one request at a time computes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[str, Inside] = OrderedDict()

    def sizes(self, run: Run) -> dict[str, Any]:
        """What there is to look at in a run, and at which steps; else `reason`: why there is nothing."""
        with self._lock:
            try:
                inside = self._inside(run)
            except LatebloomError as error:
                return {"reason": str(error)}
            return {**asdict(inside.sizes), "steps": inside.steps, "circles": inside.sizes.keys[:CIRCLES]}

    def tables(self, run: Run, step: int, block: int, neuron: int, position: int, answer: int) -> bytes:
        """The tables of one checkpoint, packed.

        Raises:
            LatebloomError: there is no such checkpoint, layer, neuron, position or answer.
        """
        with self._lock:
            inside = self._inside(run)
            sizes = inside.sizes
            arrays = {"logit": inside.logit(step, answer)}
            told: dict[str, Any] = {"step": step}
            if block in sizes.layers:
                fitted, frequency, share = inside.neuron_fitted(step, block, neuron)
                best, shares = inside.neurons(step, block)
                arrays |= {"neuron": inside.neuron(step, block, neuron), "fitted": fitted, "best": best, "fve": shares}
                told |= {"frequency": frequency, "share": share if math.isfinite(share) else None}
            if block in sizes.heads:
                arrays["attention"] = inside.attention(step, block, position)
            if sizes.keys:
                arrays["circles"] = inside.circles(step, sizes.keys[:CIRCLES])
            return packed(arrays, told)

    def _inside(self, run: Run) -> Inside:
        key = str(run.folder)
        if key not in self._open:
            if run.spec.get("sources"):
                raise LatebloomError(
                    "this run's task or network is a file of its user's own, and the dashboard runs no code that a "
                    "runs folder names: `latebloom analyse` does"
                )
            self._open[key] = Inside(run)
        self._open.move_to_end(key)
        while len(self._open) > OPEN_RUNS:
            self._open.popitem(last=False)
        return self._open[key]

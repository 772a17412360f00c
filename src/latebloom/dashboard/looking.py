"""One checkpoint's tables for a page: those of the neuron, attention position and answer that are being looked at."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import asdict
from threading import Lock
from typing import Any

from latebloom.analysis.inside import Inside
from latebloom.dashboard.packed import packed
from latebloom.errors import LatebloomError
from latebloom.spec import REGISTRIES, names_code
from latebloom.store import Run
from latebloom.store.checkpoints import file_of
from latebloom.store.layout import Layout

OPEN_RUNS = 3
CIRCLES = 6
"""Circles that are drawn at most."""
KEPT_BYTES = 64_000_000
"""Of answers that are kept in memory: 0.4 MB each on the mainline."""


class Looker:
    """Runs that were opened for looking, the latest few; one request at a time computes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[str, Inside] = OrderedDict()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

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
        asked = (str(run.folder), _stamp(run, step), step, block, neuron, position, answer)
        with self._lock:
            if asked not in self._kept:
                self._kept[asked] = _tables(self._inside(run), step, block, neuron, position, answer)
            self._kept.move_to_end(asked)
            found = self._kept[asked]
            while sum(map(len, self._kept.values())) > KEPT_BYTES:
                self._kept.popitem(last=False)
            return found

    def warm(self, run: Run, step: float | None) -> None:
        """Computes what a page asks for first, while the browser still reads the page.

        Args:
            run: that the page is of.
            step: that the page will show; None is the last.
        """
        there = self.sizes(run)
        if "reason" in there:
            return
        steps = [s for s in there["steps"] if step is None or s <= step] or there["steps"][:1]
        block = max(there["layers"], default=0)
        with suppress(LatebloomError):  # the page asks for it too, and says so
            self.tables(run, steps[-1], block, there["telling"].get(block, 0), 0, 0)

    def _inside(self, run: Run) -> Inside:
        key = str(run.folder)
        if key not in self._open:
            # by the names: `sources` is what the folder says of itself. Measures are not needed to rebuild the network
            if names_code([run.spec.get(kind) for kind in (*REGISTRIES, "loss")]):
                raise LatebloomError(
                    "this run's task or network is a file of its user's own, and the dashboard runs no code that a "
                    "runs folder names: `latebloom analyse` does"
                )
            self._open[key] = Inside(run)
        self._open.move_to_end(key)
        while len(self._open) > OPEN_RUNS:
            self._open.popitem(last=False)
        return self._open[key]


def _stamp(run: Run, step: int) -> tuple[int, int] | None:
    """What tells a checkpoint from another one in its place; None where there is none."""
    try:
        told = file_of(Layout(run.folder).checkpoints, step).stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size


def _tables(inside: Inside, step: int, block: int, neuron: int, position: int, answer: int) -> bytes:
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

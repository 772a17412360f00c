"""Writing one run: everything that is computed goes to disk in an order that a crash at any point leaves mendable."""

from __future__ import annotations

import hashlib
import sqlite3
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from latebloom.store import checkpoints
from latebloom.store.checkpoints import Checkpoint
from latebloom.store.faults import StoreError, writing
from latebloom.store.finished import scalars_of, write_finished
from latebloom.store.index import Index
from latebloom.store.layout import (
    SCHEMA,
    Layout,
    canonical_json,
    checked_name,
    read_json,
    remove_tree,
    write_json,
)
from latebloom.store.live import LiveWriter, read_live
from latebloom.store.lock import RunLock
from latebloom.store.status import Status, now, read_status, write_status

if TYPE_CHECKING:
    import polars
    import xarray
    from torch import Tensor

INDEX_PATIENCE = 1.0
"""Seconds that a training run waits for the index at most."""


class RunWriter:
    """The only one that writes a run's folder. Made by `RunWriter.open`; use it in a `with` statement.

    Leaving the `with` block without `finish` records the run as stopped (Ctrl-C, or just left) or failed (an
    error).

    Attributes:
        folder: the run's folder.
        finished: whether the run was complete when it was opened; then there is nothing to write.
        warnings: what the user should be told: refused checkpoints, an index that cannot be written.
    """

    def __init__(self, root: Path, layout: Layout, lock: RunLock | None, status: Status) -> None:
        """Use `RunWriter.open`."""
        self.folder = layout.folder
        self.finished = lock is None
        self.warnings: list[str] = []
        self._layout, self._lock, self._status = layout, lock, status
        self._index: Index | None = Index(root, INDEX_PATIENCE)
        self._log: LiveWriter | None = None
        self._open = lock is not None

    @classmethod
    def open(
        cls,
        root: Path,
        group: str,
        run_id: str,
        spec: Mapping[str, Any],
        provenance: Mapping[str, Any],
        total_steps: int | None = None,
    ) -> Self:
        """Begin a run, or take up one that was interrupted, and clear away what a crash left half done.

        Args:
            root: the runs folder.
            group: study or preset; `/` makes folders within folders.
            run_id: the run's name, and its folder's.
            spec: what JSON can hold; decides the run's result.
            provenance: what JSON can hold; that of a resumption is added under `resumed`.
            total_steps: how many steps the run will have, for lists.

        Raises:
            StoreError: when the folder cannot be written, is being written by another process, or holds
                another spec.
        """
        root = Path(root)
        layout = Layout(root / checked_name(group, "A group") / checked_name(run_id, "A run id"))
        if layout.manifest.exists():
            _check_spec(layout, spec)
            # Read-only archives of finished runs are fine as they are.
            with suppress(OSError):
                remove_tree(layout.live)
            return cls(root, layout, None, read_status(layout))
        with writing("The folder of the run", layout.folder):
            layout.folder.mkdir(parents=True, exist_ok=True)
        lock = RunLock(layout.lock)
        try:
            # its writer may have finished while this one waited for the lock
            if layout.manifest.exists():
                lock.release()
                _check_spec(layout, spec)
                return cls(root, layout, None, read_status(layout))
            status = _prepare(layout, spec, provenance, total_steps)
        except BaseException:
            lock.release()
            raise
        writer = cls(root, layout, lock, status)
        writer._tell_index()
        return writer

    @property
    def going(self) -> bool:
        """Whether the run is still open for writing: neither finished nor ended."""
        return self._open and not self.finished

    def resume(self) -> Checkpoint | None:
        """The newest good checkpoint, to go on from; call it before the first `log`.

        Rows after it are dropped from the log, since they will be computed again. Checkpoints that are
        refused are told in `warnings`. Without a good one the run begins anew.
        """
        found, refused = checkpoints.latest(self._layout.checkpoints)
        self.warnings += refused
        if self._open:
            self._log = LiveWriter(self._layout.live, found.step if found else None)
        return found

    @property
    def origin(self) -> Path:
        """The file of a fork's beginning."""
        return self._layout.origin

    def log(
        self,
        step: int,
        scalars: Mapping[str, float],
        arrays: Mapping[str, xarray.DataArray] | None = None,
        run: int = 0,
    ) -> None:
        """Add the row of a step, as `LiveWriter.append` says; it is on disk within a second or at the next checkpoint.

        Raises:
            StoreError: when the row cannot be stored or the disk refuses.
        """
        if self._live.append(step, scalars, arrays, run):
            self._progress(step)

    def checkpoint(
        self, step: int, tensors: Mapping[str, Tensor], meta: Mapping[str, Any], keep: Callable[[int], bool]
    ) -> None:
        """Make it possible to resume after this step, whose row, and all before, must have been logged.

        Args:
            step: how many steps the tensors have behind them.
            tensors: named `params/…`, `optim/…` and so on.
            meta: what JSON can hold; `step` is added.
            keep: whether the checkpoint of a step is to stay. Others are removed once there is a newer one.

        Raises:
            StoreError: when the disk refuses; earlier checkpoints are still there then.
        """
        self._live.flush()
        path = checkpoints.file_of(self._layout.checkpoints, step)
        checkpoints.save(path, tensors, {**meta, "step": step})
        self._live.seal(step)
        for old in checkpoints.steps(self._layout.checkpoints):
            if old != step and not keep(old):
                with suppress(OSError):  # one too many does no harm
                    checkpoints.file_of(self._layout.checkpoints, old).unlink(missing_ok=True)
        self._progress(step)

    def live_scalars(self) -> polars.DataFrame:
        """All scalars so far, those of earlier sessions included: `run`, `step`, then by name."""
        self._live.flush()
        return scalars_of(read_live(self._layout.live))

    def finish(self, events: list[dict[str, Any]], summary: Mapping[str, Any]) -> None:
        """Turn the log into the finished run; its manifest is written last, and only then the log removed.

        Args:
            events: what was found on the run's time line.
            summary: what JSON can hold.

        Raises:
            StoreError: when the disk refuses; opening the run again, resuming and finishing mends that.
        """
        self._live.close()
        layout, table = self._layout, read_live(self._layout.live)
        scalars = write_finished(layout, table)
        with writing("The events of the run", layout.events, "The log and the checkpoints are safe"):
            found = write_json(layout.events, events)
        last = int(table["step"].to_numpy().max()) if len(table) else self._status.last_step
        status = replace(self._status, state="done", updated=now(), last_step=last, error=None)
        digests = {layout.scalars.name: _sha256(scalars), layout.events.name: _sha256(found)}
        manifest = {
            "schema": SCHEMA,
            "run": layout.folder.name,
            "status": vars(status),
            "summary": dict(summary),
            "files": _files(layout, digests),
        }
        with writing("The manifest of the run", layout.manifest, "The log and the checkpoints are safe"):
            write_json(layout.manifest, manifest)
        self.finished, self._status = True, status
        with suppress(OSError):  # it is complete: what cannot be cleared away now is cleared at the next opening
            remove_tree(layout.live)
            write_status(layout, status)
        self._tell_index()
        self._release()

    def stop(self, reason: str, events: list[dict[str, Any]] | None = None) -> None:
        """Record that the run was stopped and can be resumed, with all rows so far on disk.

        Args:
            reason: why.
            events: what was found on the time line so far.

        Raises:
            StoreError: when the disk refuses.
        """
        self._end("stopped", reason, events)

    def fail(self, error: str, events: list[dict[str, Any]] | None = None) -> None:
        """Record why the run failed, with all rows so far on disk.

        Args:
            error: why.
            events: what was found on the time line so far.

        Raises:
            StoreError: when the disk refuses.
        """
        self._end("failed", error, events)

    def begin_anew(self) -> None:
        """Forget the log and the checkpoints, of which one does not fit the other.

        Raises:
            StoreError: when the disk refuses.
        """
        if self._log is not None:
            self._log.abandon()
        with writing("The log of the run", self._layout.live):
            remove_tree(self._layout.live)
            remove_tree(self._layout.checkpoints)
        self._log = LiveWriter(self._layout.live)

    def _end(self, state: Any, error: str, events: list[dict[str, Any]] | None = None) -> None:
        try:
            try:
                if self._log is not None:
                    self._log.close()
                if events is not None:
                    with writing("The events of the run", self._layout.events, "The log and the checkpoints are safe"):
                        write_json(self._layout.events, events)
            finally:
                self._status = replace(self._status, state=state, updated=now(), error=error)
                with writing("The state of the run", self._layout.status, "The log and the checkpoints are safe"):
                    write_status(self._layout, self._status)
        finally:
            # Before the index is told: a run whose lock is held counts as running.
            self._release()
            with suppress(sqlite3.Error, OSError):  # whoever ends a run has more important things to tell
                if self._index is not None:
                    self._index.update(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.finished or not self._open:
            self._release()
            return
        try:
            if error is None:
                self.stop("left before it was finished")
            elif isinstance(error, Exception):
                self.fail(f"{kind.__name__ if kind else 'Error'}: {error}")
            else:
                self.stop("interrupted")
        except StoreError:
            if error is None:
                raise  # else the error under way says it already

    @property
    def _live(self) -> LiveWriter:
        if not self._open:
            raise StoreError(
                f"{self.folder} is no longer open for writing: nothing can be added to a run that has ended."
            )
        if self._log is None:
            self._log = LiveWriter(self._layout.live)
        return self._log

    def _release(self) -> None:
        self._open = False
        if self._log is not None:
            self._log.abandon()
        if self._lock is not None:
            self._lock.release()

    def _progress(self, step: int) -> None:
        self._status = replace(self._status, last_step=step)
        self._with_index(lambda index: index.progress(self.folder, step, now()))

    def _tell_index(self) -> None:
        self._with_index(lambda index: index.update(self.folder))

    def _with_index(self, action: Callable[[Index], None]) -> None:
        if self._index is None:
            return
        try:
            action(self._index)
        except (sqlite3.Error, OSError) as error:
            self._index = None  # tell it once: lists are made from the folders anyway
            message = f"The index of {self.folder.parent} cannot be written ({error}); the run goes on without it."
            self.warnings.append(message)
            # a full disk, which SQLite may call an I/O error, is told by the log
            if not getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                warnings.warn(message, RuntimeWarning, stacklevel=3)


def _prepare(layout: Layout, spec: Mapping[str, Any], provenance: Mapping[str, Any], total_steps: int | None) -> Status:
    before = Status("pending")
    with suppress(StoreError):  # a damaged status must not stand in the way of resuming
        before = read_status(layout)
    with writing("The start of the run", layout.folder):
        for leftover in list(layout.leftovers()):
            remove_tree(leftover)
        # those of a stopped session are out of date once the run goes on
        layout.events.unlink(missing_ok=True)
        if layout.spec.exists():
            _check_spec(layout, spec)
        try:
            first = read_json(layout.provenance)
            write_json(layout.provenance, {**first, "resumed": [*first.get("resumed", []), dict(provenance)]})
        except FileNotFoundError:
            write_json(layout.provenance, dict(provenance))
        last = max(checkpoints.steps(layout.checkpoints), default=None)
        status = Status("running", before.created or now(), now(), last, total_steps)
        write_status(layout, status)
        if not layout.spec.exists():
            # The last of these: a folder counts as a run when it has a spec.
            write_json(layout.spec, dict(spec))
    return status


def _check_spec(layout: Layout, spec: Mapping[str, Any]) -> None:
    try:
        there = read_json(layout.spec)
    except FileNotFoundError:
        raise StoreError(
            f"{layout.folder} has lost its spec.json: restore it from a copy, or delete the folder to train it again."
        ) from None
    # the spec's vocabulary costs the import of torch, which a reader of runs does without
    from latebloom.spec.run_spec import without_neutral

    # a field that came later is absent from what was begun before, and is neutral there
    there, spec = without_neutral(there), without_neutral(dict(spec))
    if canonical_json(there) == canonical_json(spec):
        return
    ours = _flat(spec)
    theirs = _flat(there)
    differ = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    shown = ", ".join(f"{key} is {theirs.get(key, 'absent')}, not {ours.get(key, 'absent')}" for key in differ[:3])
    more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
    raise StoreError(
        f"{layout.folder} holds a run of another spec: there {shown}{more}. Use another run id or "
        "folder, or delete that one."
    )


def _flat(value: Any, prefix: str = "") -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {prefix.removesuffix("."): canonical_json(value)}
    return {key: text for name, part in value.items() for key, text in _flat(part, f"{prefix}{name}.").items()}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _files(layout: Layout, digests: dict[str, str]) -> dict[str, dict[str, Any]]:
    parts = [layout.spec, layout.provenance, layout.scalars, layout.events, layout.arrays, layout.checkpoints]
    paths = sorted(path for part in parts for path in (part.rglob("*") if part.is_dir() else [part]) if path.is_file())
    files = {path.relative_to(layout.folder).as_posix(): {"bytes": path.stat().st_size} for path in paths}
    return {name: facts | ({"sha256": digests[name]} if name in digests else {}) for name, facts in files.items()}

"""A list of all runs below a root, quick to read: one SQLite file, made from the folders, never trusted over them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from latebloom.store.faults import StoreError
from latebloom.store.layout import Layout, read_json, run_folders
from latebloom.store.status import State, Status, read_status

FILE = "index.sqlite"
VERSION = 1
T = TypeVar("T")
_COLUMNS = ["folder", "id", "state", "created", "updated", "last_step", "total_steps", "error", "spec", "events"]
_TABLE = """create table if not exists runs (folder text primary key, id text not null, state text not null,
    created text not null, updated text not null, last_step integer, total_steps integer, error text,
    spec text not null, events text not null) strict"""


@dataclass(frozen=True)
class RunRow:
    """One run as it is listed; `folder` is relative to the root, `/` between its parts."""

    folder: str
    id: str
    state: State
    created: str
    updated: str
    last_step: int | None
    total_steps: int | None
    error: str | None
    spec: dict[str, Any]
    events: list[dict[str, Any]]

    @classmethod
    def of(cls, root: Path, folder: Path) -> RunRow:
        """Read a run's folder; what is damaged is said in `error`: one bad run must not hide the others."""
        layout = Layout(folder)
        spec: dict[str, Any] = {}
        events: list[dict[str, Any]] = []
        try:
            spec = read_json(layout.spec)
            status = read_status(layout)
            events = [event for event in _events(layout) if isinstance(event, dict)]
        except FileNotFoundError:
            status = Status("failed", error="the folder was removed while it was read")
        except StoreError as error:
            status = Status("failed", error=str(error))
        return cls(folder.relative_to(root).as_posix(), folder.name, **asdict(status), spec=spec, events=events)


def _events(layout: Layout) -> list[Any]:
    try:
        return read_json(layout.events, list)
    except FileNotFoundError:
        return []


class Index:
    """The runs below a root, for any number of processes at once; each call is one or two short transactions."""

    def __init__(self, root: Path, timeout: float = 5.0) -> None:
        """Nothing is opened or made until it is needed.

        Args:
            root: the runs folder.
            timeout: seconds to wait for another process's transaction.
        """
        self._root, self._path, self._timeout = root, root / FILE, timeout

    def runs(self) -> list[RunRow]:
        """All runs, sorted by folder, as they are now.

        Finished runs come from the index; all others, and those that the index does not know, are read from
        their folders, and the index is brought up to date where it can be written.
        """
        folders = run_folders(self._root)
        if not folders and not self._path.exists():
            return []  # any folder may be asked for, and one without runs is left as it is
        known = self._known()
        rows = [self._row(folder, known) for folder in folders]
        there = {row.folder for row in rows}
        changed = [row for row in rows if known.get(row.folder) != row]
        gone = [folder for folder in known if folder not in there]
        if changed or gone:
            with suppress(sqlite3.Error, OSError):  # the list is right all the same; the next call tries again
                self._do(lambda connection: _put(connection, changed, gone))
        return rows

    def _row(self, folder: Path, known: dict[str, RunRow]) -> RunRow:
        before = known.get(folder.relative_to(self._root).as_posix())
        if before is not None and before.state == "done" and Layout(folder).manifest.exists():
            return before
        row = RunRow.of(self._root, folder)
        if before is not None and row.state == "running" == before.state:
            # The writer tells the index of its progress more often than the folder.
            row = replace(row, last_step=max(row.last_step or 0, before.last_step or 0), updated=before.updated)
        return row

    def _known(self) -> dict[str, RunRow]:
        try:
            select = f"select {', '.join(_COLUMNS)} from runs"
            rows = [_decoded(values) for values in self._do(lambda connection: connection.execute(select).fetchall())]
        except (sqlite3.Error, OSError):
            return {}
        return {row.folder: row for row in rows if row is not None}

    def rescan(self) -> list[RunRow]:
        """Make the index anew from the folders.

        Returns:
            All runs, sorted by folder.

        Raises:
            StoreError: when the index cannot be written.
        """
        rows = [RunRow.of(self._root, folder) for folder in run_folders(self._root)]
        try:
            known = self._do(lambda connection: connection.execute("select folder from runs").fetchall())
            self._do(lambda connection: _put(connection, rows, [folder for (folder,) in known]))
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._path} cannot be written: {error}. The runs themselves are safe.") from error
        return rows

    def update(self, folder: Path) -> None:
        """Take over what a run's folder says now.

        Raises:
            sqlite3.Error | OSError: when the index cannot be written.
        """
        row = RunRow.of(self._root, folder)
        self._do(lambda connection: _put(connection, [row], []))

    def progress(self, folder: Path, last_step: int, updated: str) -> None:
        """Note how far a run has come.

        Raises:
            sqlite3.Error | OSError: when the index cannot be written.
        """
        values = (last_step, updated, folder.relative_to(self._root).as_posix())
        self._do(lambda c: c.execute("update runs set last_step = ?, updated = ? where folder = ?", values).rowcount)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run one transaction; a damaged index is thrown away first: the folders say all that was in it."""
        try:
            return self._attempt(work)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) not in (
                sqlite3.SQLITE_CORRUPT,
                sqlite3.SQLITE_NOTADB,
            ):
                raise
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        return self._attempt(work)

    def _attempt(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with closing(sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None)) as connection:
            if not _is_ours(connection):
                self._to_wal(connection)
            connection.execute("pragma synchronous = normal")
            connection.execute("begin immediate")
            try:
                if not _is_ours(connection):  # asked again, now that nobody else can be making it
                    connection.execute("drop table if exists runs")
                    connection.execute(_TABLE)
                    connection.execute(f"pragma user_version = {VERSION}")
                result = work(connection)
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("rollback")
                raise
            return result

    def _to_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                connection.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError as error:
                # SQLite does not wait here by itself when two processes make the file at once.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def _is_ours(connection: sqlite3.Connection) -> bool:
    version = connection.execute("pragma user_version").fetchone()[0]
    return version == VERSION and [row[1] for row in connection.execute("pragma table_info(runs)")] == _COLUMNS


def _put(connection: sqlite3.Connection, rows: list[RunRow], gone: list[str]) -> None:
    connection.executemany("delete from runs where folder = ?", [(folder,) for folder in gone])
    places = ", ".join("?" for _ in _COLUMNS)
    connection.executemany(
        f"insert or replace into runs ({', '.join(_COLUMNS)}) values ({places})",
        [_encoded(row) for row in rows],
    )


def _encoded(row: RunRow) -> list[Any]:
    values = [getattr(row, column) for column in _COLUMNS]
    return [json.dumps(value) if isinstance(value, dict | list) else value for value in values]


# A list that is looked at again has the same texts, and to parse them is most of the work (2000 runs: 0.5 s).
@lru_cache(maxsize=4096)
def _decoded(values: tuple[Any, ...]) -> RunRow | None:
    try:
        row = RunRow(**dict(zip(_COLUMNS, (*values[:-2], json.loads(values[-2]), json.loads(values[-1])), strict=True)))
    except (ValueError, RecursionError):
        return None
    fine = row.state in get_args(State) and isinstance(row.spec, dict) and isinstance(row.events, list)
    return row if fine else None

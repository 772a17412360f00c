"""Which process runs what: one SQLite file a study, shared by every `latebloom sweep` of it on a machine.

It holds claims and failures. What is finished is said by the runs' own folders, so a queue that is lost or damaged is
made anew: no finished run is trained again, and those that failed are tried again.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from latebloom.store import StoreError

FILE = "queue.sqlite"
VERSION = 1
LEASE = 60.0
"""Seconds after which a claim that its owner has not renewed is anybody's: the owner's machine may have gone."""

MOST_LOST = 3
"""So many workers in a row may die over a run before it counts as failed."""

State = Literal["waiting", "claimed", "done", "failed"]

_TABLE = """create table runs (run text primary key, place integer not null, shape text not null, state text not null,
    owner text, until real not null default 0, lost integer not null default 0, error text) strict"""


class DiskFullError(StoreError):
    """The disk takes no more; what is finished is safe."""


def this_process() -> str:
    """The name of this process as an owner: machine, number, and when it began, since numbers are given again."""
    return f"{socket.gethostname()}/{os.getpid()}/{_began(os.getpid())}"


def _began(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "?"


def is_dead(owner: str) -> bool:
    """Whether a process of this machine is known to have ended; of other machines nothing is known."""
    host, pid, began = (*owner.split("/"), "", "")[:3]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _began(int(pid)) != began


class Queue:
    """The runs of a study and who has taken them up; each call is one short transaction."""

    def __init__(self, folder: Path, owner: str | None = None, clock: Callable[[], float] = time.time) -> None:
        """Open the queue of a study's folder, and make it where there is none or a damaged one.

        Raises:
            StoreError: when it cannot be written.
        """
        self._path, self.owner, self._clock = folder / FILE, owner or this_process(), clock
        self._do(lambda c: None)

    def fill(self, shapes: dict[str, str], done: Iterable[str]) -> None:
        """Take over the plan: new runs wait, finished ones are done, and those that are no longer planned go.

        Args:
            shapes: runs in their order, each with what runs must share to be trained together.
            done: those that are finished, as their folders say.
        """
        finished = set(done)

        def work(c: sqlite3.Connection) -> None:
            known = {run for (run,) in c.execute("select run from runs")}
            c.executemany("delete from runs where run = ?", [(run,) for run in known - shapes.keys()])
            c.executemany(
                "insert into runs (run, place, shape, state) values (?, ?, ?, 'waiting') "
                "on conflict (run) do update set place = excluded.place, shape = excluded.shape",
                [(run, place, shape) for place, (run, shape) in enumerate(shapes.items())],
            )
            c.execute("update runs set state = 'waiting', owner = null where state = 'done'")
            settle = "update runs set state = 'done', owner = null, error = null where run = ?"
            c.executemany(settle, [(run,) for run in finished])

        self._do(work)

    def claim(self, most: int = 1) -> list[str]:
        """Take up the next waiting runs, at most so many and of one shape; none when there are none.

        A run over which a worker has died is taken up alone: it may take others with it.
        """
        now = self._clock()

        def work(c: sqlite3.Connection) -> list[str]:
            c.execute("update runs set state = 'waiting', owner = null where state = 'claimed' and until < ?", (now,))
            first = c.execute(
                "select run, shape, lost from runs where state = 'waiting' and until <= ? order by place limit 1",
                (now,),
            ).fetchone()
            if first is None:
                return []
            run, shape, lost = first
            found = [(run,)]
            if not lost:
                found = c.execute(
                    "select run from runs where state = 'waiting' and until <= ? and shape = ? and lost = 0 "
                    "order by place limit ?",
                    (now, shape, most),
                ).fetchall()
            c.executemany(
                "update runs set state = 'claimed', owner = ?, until = ? where run = ?",
                [(self.owner, now + LEASE, run) for (run,) in found],
            )
            return [run for (run,) in found]

        return self._do(work)

    def renew(self) -> None:
        """Say that the claims of this process still hold, and free those of processes that have ended."""
        now = self._clock()

        def work(c: sqlite3.Connection) -> None:
            c.execute("update runs set until = ? where state = 'claimed' and owner = ?", (now + LEASE, self.owner))
            owners = [o for (o,) in c.execute("select distinct owner from runs where state = 'claimed'")]
            c.executemany(
                "update runs set state = 'waiting', owner = null, until = 0 where state = 'claimed' and owner = ?",
                [(owner,) for owner in owners if owner != self.owner and is_dead(owner)],
            )

        self._do(work)

    def settle(self, run: str, error: str | None = None) -> None:
        """A run of this process has ended: done, or failed with an error."""
        values = ("done" if error is None else "failed", error, run)
        self._do(
            lambda c: c.execute("update runs set state = ?, error = ?, owner = null where run = ?", values).rowcount
        )

    def give_back(self, run: str, wait: float = 0.0) -> None:
        """A run of this process is not finished and waits again, for so many seconds at least."""
        values = (self._clock() + wait if wait else 0.0, run)
        self._do(
            lambda c: (
                c.execute("update runs set state = 'waiting', owner = null, until = ? where run = ?", values).rowcount
            )
        )

    def lose(self, run: str, why: str) -> bool:
        """The worker of a run has died: the run waits again, or has failed when that came too often.

        Returns:
            Whether it has failed.
        """

        def work(c: sqlite3.Connection) -> bool:
            c.execute(
                "update runs set state = 'waiting', owner = null, until = 0, lost = lost + 1 where run = ?", (run,)
            )
            (lost,) = c.execute("select lost from runs where run = ?", (run,)).fetchone()
            if lost >= MOST_LOST:
                error = f"{lost} workers have died over this run, the last one {why}"
                c.execute("update runs set state = 'failed', error = ? where run = ?", (error, run))
            return lost >= MOST_LOST

        return self._do(work)

    def retry_failed(self) -> None:
        """Let all that have failed wait again."""
        self._do(
            lambda c: (
                c.execute(
                    "update runs set state = 'waiting', error = null, lost = 0, until = 0 where state = 'failed'"
                ).rowcount
            )
        )

    def counts(self) -> dict[State, int]:
        """How many runs are in each state."""
        found = self._do(lambda c: c.execute("select state, count(*) from runs group by state").fetchall())
        counts: dict[State, int] = {"waiting": 0, "claimed": 0, "done": 0, "failed": 0}
        counts.update(found)
        return counts

    def failures(self) -> dict[str, str]:
        """The runs that have failed, each with its error."""
        select = "select run, error from runs where state = 'failed' order by place"
        return dict(self._do(lambda c: c.execute(select).fetchall()))

    def _do(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            try:
                return self._attempt(work)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return self._attempt(work)
        except sqlite3.Error as error:
            if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
                raise DiskFullError(f"{self._path} cannot be written: {error}") from error
            raise StoreError(f"{self._path} cannot be used: {error}. Check the folder, and start again.") from error

    def _attempt(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        connection = sqlite3.connect(self._path, timeout=30.0, isolation_level=None)
        try:
            connection.execute("pragma synchronous = normal")
            if connection.execute("pragma user_version").fetchone()[0] != VERSION:
                _make(connection)
            connection.execute("begin immediate")
            result = work(connection)
            connection.execute("commit")
            return result
        finally:
            # what was not committed is rolled back by this
            connection.close()


def _make(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            connection.execute("pragma journal_mode = wal")
            break
        except sqlite3.OperationalError as error:
            # SQLite does not wait here by itself when two processes make the file at once
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    connection.execute("begin immediate")
    if connection.execute("pragma user_version").fetchone()[0] != VERSION:
        connection.execute("drop table if exists runs")
        connection.execute(_TABLE)
        connection.execute(f"pragma user_version = {VERSION}")
    connection.execute("commit")

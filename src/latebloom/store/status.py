"""What state a run's folder is in. The folder is the truth: the manifest, the lock, and what the last writer said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from latebloom.store.checkpoints import steps
from latebloom.store.layout import SCHEMA, Layout, read_json, write_json
from latebloom.store.lock import is_held

State = Literal["pending", "running", "interrupted", "stopped", "failed", "done"]


@dataclass(frozen=True)
class Status:
    """Where a run stands. Times are ISO 8601 in UTC."""

    state: State
    created: str = ""
    updated: str = ""
    last_step: int | None = None
    total_steps: int | None = None
    error: str | None = None


def now() -> str:
    """The time, as the store writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_status(layout: Layout, status: Status) -> None:
    """Say in the folder where the run stands.

    Raises:
        OSError: when the disk refuses.
    """
    write_json(layout.status, {"schema": SCHEMA, **asdict(status)})


def read_status(layout: Layout) -> Status:
    """Where a run stands: `done` exactly when there is a manifest, `running` when a live process holds the lock.

    Raises:
        StoreError: when a file that says so is damaged.
    """
    try:
        return _parse(read_json(layout.manifest)["status"], "done", None)
    except FileNotFoundError:
        pass
    except (KeyError, TypeError):
        return Status("done")
    last = max(steps(layout.checkpoints), default=None)
    held = is_held(layout.lock)
    try:
        said = read_json(layout.status)
    except FileNotFoundError:
        return Status("running" if held else "pending", last_step=last)
    state = said.get("state")
    if held:
        state = "running"
    elif state not in get_args(State) or state in ("running", "done"):
        state = "interrupted"  # it was killed: a writer that ends says how
    return _parse(said, state, last)


def _parse(said: dict[str, Any], state: State, last: int | None) -> Status:
    def text(key: str) -> str:
        value = said.get(key)
        return value if isinstance(value, str) else ""

    def number(key: str) -> int | None:
        value = said.get(key)
        return value if isinstance(value, int) else None

    known = [step for step in (number("last_step"), last) if step is not None]
    error = (text("error") or None) if state in ("failed", "stopped") else None
    return Status(state, text("created"), text("updated"), max(known, default=None), number("total_steps"), error)

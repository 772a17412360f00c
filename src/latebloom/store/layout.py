"""Where things lie in a run's folder, and how a file is written so that it is whole or absent."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latebloom.store.faults import StoreError

SCHEMA = 1
"""Version of the format of a run's folder."""

JSON_LIMIT = 64 * 2**20
"""Bytes of JSON that are read at most: a larger file is not one of ours."""

MAX_DEPTH = 4
"""Folders between a runs root and a run, the run included."""

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@,-]{0,127}")


@dataclass(frozen=True)
class Layout:
    """The paths of one run."""

    folder: Path

    @property
    def spec(self) -> Path:
        """The resolved spec: the authority on what this run is."""
        return self.folder / "spec.json"

    @property
    def spec_toml(self) -> Path:
        """The spec for people to read and to run again."""
        return self.folder / "spec.toml"

    @property
    def origin(self) -> Path:
        """Of a fork: the state that it begins with, and its parent's log up to there."""
        return self.folder / "origin.safetensors"

    @property
    def provenance(self) -> Path:
        """Versions and machine, of the first start and of every resumption."""
        return self.folder / "provenance.json"

    @property
    def status(self) -> Path:
        """What the last writer said of the run: running, stopped, failed."""
        return self.folder / "status.json"

    @property
    def live(self) -> Path:
        """Folder of the append-only segments; gone when the run is finished."""
        return self.folder / "live"

    @property
    def scalars(self) -> Path:
        """All scalars of a finished run."""
        return self.folder / "scalars.parquet"

    @property
    def arrays(self) -> Path:
        """All labelled arrays of a finished run; absent when there are none."""
        return self.folder / "arrays.zarr"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"

    @property
    def events(self) -> Path:
        """The events that were found."""
        return self.folder / "events.json"

    @property
    def manifest(self) -> Path:
        """Written last: the run is complete exactly when it is there."""
        return self.folder / "manifest.json"

    @property
    def report(self) -> Path:
        """The page to read and to share."""
        return self.folder / "report.html"

    @property
    def lock(self) -> Path:
        """Locked by the process that writes the run."""
        return self.folder / "lock"

    def leftovers(self) -> Iterator[Path]:
        """Unfinished files and folders of a writer that was killed."""
        for folder in (self.folder, self.live, self.checkpoints):
            yield from folder.glob("*.tmp")


def checked_name(name: str, what: str) -> str:
    """A run id or group as a relative path that cannot leave its root.

    Raises:
        StoreError: for an empty part, `..`, a leading dot or slash, and characters outside letters, digits
            and `._+=@,-`.
    """
    if not all(_PART.fullmatch(part) for part in name.split("/")):
        raise StoreError(
            f"{what} must be letters, digits and ._+=@,- (beginning with a letter or digit), got "
            f"{name!r}: choose another name."
        )
    return name


def local_path(path: str | Path) -> Path:
    """A path of this machine.

    Raises:
        StoreError: it is an address, such as that of a bucket.
    """
    place = Path(path).expanduser()
    # a `Path` has lost one of the two slashes
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)) and not place.exists():
        address = re.sub(":/+", "://", str(path), count=1)
        raise StoreError(
            f"{address}: expected a folder of this machine, got an address; mount it or copy it here first, and name "
            "that folder."
        )
    return place


def run_folders(root: Path) -> list[Path]:
    """Every run below a runs root, sorted; links are not followed, so that nothing outside the root is found."""
    found: list[Path] = []

    def walk(folder: Path, depth: int) -> None:
        try:
            entries = [e for e in os.scandir(folder) if not e.name.startswith(".")]
        except OSError:
            return
        if depth and any(e.name == "spec.json" for e in entries):
            found.append(folder)
        elif depth < MAX_DEPTH:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    walk(Path(entry.path), depth + 1)

    walk(root, 0)
    return sorted(found)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder (a rename, a new file) survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, *chunks: bytes | memoryview) -> None:
    """Write a file so that a reader, or a crash, sees all of it or the one before.

    Raises:
        OSError: when the system refuses; the unfinished file is removed.
    """
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with open(unfinished, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text. NaN and infinities are kept as Python writes them."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def finite_json(value: Any) -> Any:
    """The value with null for NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: finite_json(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_json(path: Path, value: Any) -> bytes:
    """Write a value as indented JSON with `write_whole`, and return the bytes."""
    data = (json.dumps(value, indent=1, default=_plain) + "\n").encode()
    write_whole(path, data)
    return data


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy's and torch's numbers and arrays
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON: give numbers, strings, lists and dicts")


def read_json(path: Path, kind: type = dict) -> Any:
    """Read a JSON file of a run.

    Args:
        path: the file.
        kind: what the outermost value must be.

    Raises:
        FileNotFoundError: when there is no such file.
        StoreError: when it cannot be read, is absurdly large, is no JSON or holds something else than `kind`.
    """
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise StoreError(f"{path} is larger than {JSON_LIMIT} bytes: that is not a file that latebloom wrote.")
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(
            f"{path} cannot be read: {error.strerror or error}. Check the path and its permissions."
        ) from error
    except (ValueError, RecursionError) as error:
        raise StoreError(
            f"{path} is not valid JSON ({error}): restore it from a copy, or delete the run's folder."
        ) from error
    if not isinstance(value, kind):
        raise StoreError(f"{path} should hold a {kind.__name__}, got a {type(value).__name__}: restore it from a copy.")
    return value


def remove_tree(path: Path) -> None:
    """Remove a file or a folder with all it holds, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""Which runs a user means who names a folder, a part of one, or the beginning of a name."""

from __future__ import annotations

from pathlib import Path

from latebloom.store.faults import StoreError
from latebloom.store.index import Index, RunRow
from latebloom.store.layout import Layout, local_path


def runs_at(place: str, root: Path) -> tuple[Path, list[RunRow]]:
    """The runs below a place.

    Args:
        place: a folder, inside the runs folder or anywhere else; or the beginning of a run's name or of its group's;
            "" is the whole runs folder.
        root: the runs folder.

    Returns:
        The runs folder that the rows' own folders are relative to, and the rows.

    Raises:
        StoreError: there is neither such a folder nor such a run, or it is an address.
    """
    named = local_path(place)
    inside = _inside(named, root) if place else ""
    if inside is None and Layout(named).spec.is_file():
        return named.parent, [RunRow.of(named.parent, named)]
    if inside is None and named.is_dir():
        return named, Index(named).runs()
    rows = Index(root).runs()
    if inside == "":
        return root, rows
    if inside is not None:
        return root, [row for row in rows if f"{row.folder}/".startswith(f"{inside}/")]
    begun = [row for row in rows if row.folder.startswith(place.rstrip("/")) or row.id.startswith(place)]
    if not begun:
        raise StoreError(f"there is no folder {place}, and no run in {root} whose name begins so: see `latebloom ls`.")
    return root, begun


def _inside(folder: Path, root: Path) -> str | None:
    """A folder's name inside the runs folder, "" for the runs folder itself; None for one that is not inside it."""
    if not folder.is_dir() or not folder.resolve().is_relative_to(root.resolve()):
        return None
    name = folder.resolve().relative_to(root.resolve()).as_posix()
    return "" if name == "." else name

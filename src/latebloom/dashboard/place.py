"""From an address to a run: only folders that the list itself would show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from latebloom.dashboard import example
from latebloom.errors import LatebloomError
from latebloom.store import Run, StoreError
from latebloom.store.layout import MAX_DEPTH, Layout, checked_name


class NotThereError(LatebloomError):
    """There is nothing at an address."""


@dataclass(frozen=True)
class Place:
    """The runs folder that is served; nothing is read outside it and the example that ships with the package."""

    root: Path

    def folder(self, name: str) -> Path:
        """A folder below the root, by its relative path.

        Raises:
            NotThereError: the name could leave the root, passes by a link, or is no folder.
        """
        try:
            checked_name(name, "a run")
        except StoreError as error:
            raise NotThereError(f"there is no {name!r} here") from error
        parts = name.split("/")
        for root in (self.root, example.ROOT):
            steps = [root.joinpath(*parts[:i]) for i in range(1, len(parts) + 1)]
            if len(parts) <= MAX_DEPTH and not any(s.is_symlink() for s in steps) and steps[-1].is_dir():
                return steps[-1]
        raise NotThereError(f"there is no {name!r} here")

    def run(self, name: str) -> Run:
        """A run, by its folder.

        Raises:
            NotThereError: there is none.
        """
        folder = self.folder(name)
        if not Layout(folder).spec.is_file():
            raise NotThereError(f"there is no run {name!r} here")
        return Run(folder)

"""Reading runs back, finished or still under way, in the same words."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latebloom.shown import facts_table
from latebloom.store import checkpoints
from latebloom.store.faults import CheckpointError, StoreError
from latebloom.store.layout import SCHEMA, Layout, local_path, read_json, run_folders
from latebloom.store.status import State, Status, read_status

if TYPE_CHECKING:
    import polars
    import xarray

    from latebloom.axes import Params
    from latebloom.store.checkpoints import Checkpoint


class Run:
    """One run on disk. Of a run under way, each attribute is what has been flushed when it is asked for."""

    def __init__(self, folder: Path) -> None:
        """Use `open_run`."""
        self.folder = folder
        self._layout = Layout(folder)
        self._kept: dict[str, Any] = {}  # of a finished run, which no longer changes

    def __repr__(self) -> str:
        status = self.status
        of = f" of {status.total_steps}" if status.total_steps is not None else ""
        return f"<Run {self.id}: {status.state}, step {status.last_step}{of}, {self.folder}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: where the run stands, and its events as they were stored."""
        status = self.status
        of = f" of {status.total_steps:,}" if status.total_steps is not None else ""
        facts: list[tuple[str, object]] = [("state", status.state), ("step", f"{status.last_step or 0:,}{of}")]
        facts += [("error", status.error)] if status.error else []
        for event in self.events:
            found = event.get("found") or {}
            if found.get("step") is not None:
                between = " to ".join(f"{step:,}" for step in found.get("interval") or ())
                facts.append((event.get("title", ""), f"step {found['step']:,}" + (f" ({between})" if between else "")))
        facts += [("checkpoints", len(self.checkpoints)), ("folder", self.folder)]
        return facts_table(f"{self.summary.get('title', 'run')} · {self.id}", facts)

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def spec(self) -> dict[str, Any]:
        """The resolved spec."""
        return read_json(self._layout.spec)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where and with what it was computed; `resumed` lists the same of later sessions."""
        return self._json(self._layout.provenance, {})

    @property
    def status(self) -> Status:
        """State, times, last step and error."""
        return read_status(self._layout)

    @property
    def state(self) -> State:
        """`done`, `running`, `interrupted` (killed), `stopped`, `failed` or `pending`."""
        return self.status.state

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events found up to the end, or up to where the run was stopped; none while it is under way."""
        return self._json(self._layout.events, [])

    @property
    def summary(self) -> dict[str, Any]:
        """What was said of the run when it was finished."""
        return dict((self._manifest or {}).get("summary", {}))

    @property
    def checkpoints(self) -> list[int]:
        """The steps of which there are checkpoints."""
        return checkpoints.steps(self._layout.checkpoints)

    @property
    def scalars(self) -> polars.DataFrame:
        """All scalars: a row for each run (of an ensemble) and step; null where a scalar was not logged.

        Raises:
            StoreError: when they are damaged.
        """
        return self._numbers("scalars")

    @property
    def arrays(self) -> xarray.Dataset:
        """All labelled arrays over `step` (and `run`, when there are several); NaN where an array was not logged.

        Raises:
            StoreError: when they are damaged.
        """
        return self._numbers("arrays")

    def params(self, step: int | None = None) -> Params:
        """The network's parameters.

        Args:
            step: which checkpoint; None is the newest.

        Raises:
            CheckpointError: when there is none of that step, or it is damaged.
        """
        there = self.checkpoints
        if not there:
            raise CheckpointError(f"{self.folder} has no checkpoints yet.")
        wanted = there[-1] if step is None else step
        if wanted not in there:
            near = sorted(sorted(there, key=lambda other: abs(other - wanted))[:5])
            raise CheckpointError(
                f"{self.folder} has no checkpoint of step {wanted}: use one of its {len(there)}, of "
                "which the nearest are "
                f"{', '.join(map(str, near))}."
            )
        return checkpoints.load_params(checkpoints.file_of(self._layout.checkpoints, wanted))

    def checkpoint(self, step: int) -> Checkpoint:
        """All that the update after a step needs.

        Raises:
            CheckpointError: when there is no checkpoint of that step, or it is damaged.
        """
        tensors, meta = checkpoints.load(checkpoints.file_of(self._layout.checkpoints, step))
        return checkpoints.Checkpoint(step, tensors, meta)

    def _numbers(self, which: str) -> Any:
        if self._manifest is None:
            from latebloom.store.finished import arrays_of, scalars_of
            from latebloom.store.live import read_live

            try:
                table = read_live(self._layout.live)
            except FileNotFoundError:
                table = None
            # The log is removed after the manifest is written: without one, it was whole while it was read.
            if table is not None and self._manifest is None:
                return scalars_of(table) if which == "scalars" else arrays_of(table)
            if self._manifest is None:
                raise StoreError(f"The log in {self._layout.live} was removed while it was read: open the run again.")
        if which not in self._kept:
            self._kept[which] = self._finished_scalars() if which == "scalars" else self._finished_arrays()
        return self._kept[which]

    def _finished_scalars(self) -> polars.DataFrame:
        from latebloom.store.finished import read_scalars

        path = self._layout.scalars
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}. Restore it from a copy.") from error
        if hashlib.sha256(data).hexdigest() != self._listed(path.name).get("sha256"):
            raise StoreError(
                f"{path} is not what the manifest says, so it was changed or damaged: restore it from a copy."
            )
        return read_scalars(data, path)

    def _finished_arrays(self) -> xarray.Dataset:
        from latebloom.store.finished import read_arrays

        name = self._layout.arrays.name
        for file in (self._manifest or {}).get("files", {}):
            if file.startswith(f"{name}/"):
                path = self.folder / file
                if not path.is_file() or path.stat().st_size != self._listed(file).get("bytes"):
                    raise StoreError(
                        f"{path} is missing or was changed since the run was finished: restore it from a copy."
                    )
        return read_arrays(self._layout.arrays)

    def _listed(self, file: str) -> dict[str, Any]:
        facts = (self._manifest or {}).get("files", {}).get(file)
        return facts if isinstance(facts, dict) else {}

    @property
    def _manifest(self) -> dict[str, Any] | None:
        if "manifest" not in self._kept:
            manifest = self._json(self._layout.manifest, None)
            if manifest is None:
                return None
            if manifest.get("schema") != SCHEMA or not isinstance(manifest.get("files"), dict):
                raise StoreError(
                    f"{self._layout.manifest} is of format {manifest.get('schema')}, and this "
                    f"latebloom reads {SCHEMA}: use "
                    "the version that wrote it."
                )
            self._kept["manifest"] = manifest
        return self._kept["manifest"]

    def _json(self, path: Path, default: Any) -> Any:
        try:
            return read_json(path, list if isinstance(default, list) else dict)
        except FileNotFoundError:
            return default


def open_run(path: str | Path, root: str | Path = "runs") -> Run:
    """Open a run for reading.

    Args:
        path: the run's folder, a file in it (such as its `report.html`), or a run id or the beginning of
            one, below `root` or below a folder given before it (`runs/study/3f2a`).
        root: the runs folder.

    Raises:
        StoreError: when there is no such run, or several, with those that are nearest; or it is an address.
    """
    place, root = local_path(path), local_path(root)
    for folder in (place, place.parent):
        if place.exists() and Layout(folder).spec.is_file():
            return Run(folder)
    wanted, below = str(path), root
    if place.is_dir():
        wanted, below = "", place
    elif len(place.parts) > 1 and place.parent.is_dir():
        wanted, below = place.name, place.parent
    folders = run_folders(below)
    exact = [folder for folder in folders if wanted in (folder.name, folder.relative_to(below).as_posix())]
    begin = [f for f in folders if f.name.startswith(wanted) or f.relative_to(below).as_posix().startswith(wanted)]
    matches = exact or begin
    if wanted and len(matches) == 1:
        return Run(matches[0])
    raise StoreError(_not_found(path, below, matches, folders))


def _not_found(path: str | Path, below: Path, matches: list[Path], folders: list[Path]) -> str:
    if matches:
        shown = matches
        what = f"{str(path)!r} is not one run: {len(matches)} match"
    elif folders:
        names = {folder.name: folder for folder in folders}
        near = difflib.get_close_matches(Path(path).name, names, n=5, cutoff=0.3)
        shown = [names[name] for name in near] or folders
        what = f"There is no run {str(path)!r}. Near it in {below}"
    else:
        return f"There is no run {str(path)!r}, and no runs in {below}: check the path, or see `latebloom ls`."
    return f"{what}: {', '.join(map(str, shown[:5]))}{', …' if len(shown) > 5 else ''}. Give the whole path or id."

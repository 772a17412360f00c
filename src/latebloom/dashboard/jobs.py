"""Runs that the dashboard's user starts: each is the command `latebloom run` in a process of its own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from latebloom.errors import LatebloomError
from latebloom.spec import names_code, override, presets, read, resolve
from latebloom.store import Run

MOST_JOBS = 4
PATIENCE = 30.0
"""Seconds to wait for a process that was asked to stop."""
COMMAND = "from latebloom.cli import main; main()"
_SETTING = re.compile(r"[a-z_]+(\.[A-Za-z_][\w-]*)*")


@dataclass
class Jobs:
    """The processes that this server has started.

    Attributes:
        root: the runs folder.
        allowed: whether any may be started (`latebloom serve --allow-run`).
    """

    root: Path
    allowed: bool
    _running: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = field(default_factory=dict)

    def start(self, preset: str, settings: dict[str, str]) -> str:
        """Start a preset with some settings changed, or go on with it where it stands.

        Returns:
            The run's folder, relative to the root.

        Raises:
            LatebloomError: runs may not be started here, there is no such preset, or a setting is wrong.
        """
        self._check()
        if preset not in presets():
            raise LatebloomError(f"expected a preset among {', '.join(presets())}, got {preset!r}")
        group, table = read(preset)
        table = override(table, _settings(settings))
        if names_code(table):
            raise LatebloomError("expected names that are built in, got one of a file or a module: `latebloom run`")
        spec = resolve(table)
        words = [preset, *(f"--{path}={value}" for path, value in settings.items())]
        return self._launch(f"{group}/{spec.run_id}", ["run", *words])

    def resume(self, run: Run, folder: str) -> str:
        """Go on with a run that was stopped or killed.

        Raises:
            LatebloomError: runs may not be started here, or this one is finished, under way or of the user's own code.
        """
        self._check()
        if run.state in ("done", "running"):
            raise LatebloomError(f"{folder} is {run.state}: there is nothing to go on with")
        if run.spec.get("sources"):
            raise LatebloomError(f"{folder} needs its user's own source: go on with it by `latebloom run`")
        if folder in self._running:
            # it was stopped, and its process is about to end
            with suppress(subprocess.TimeoutExpired):
                self._running[folder][0].wait(PATIENCE)
            self._sweep()
        if folder in self._running:
            raise LatebloomError(f"{folder} is still starting or stopping: try again in a moment")
        return self._launch(folder, ["run", str(run.folder)])

    def stop(self, folder: str) -> None:
        """Ask a run that was started here to store its state and stop.

        Raises:
            LatebloomError: it was not started here, or has ended.
        """
        self._check()
        self._sweep()
        if folder not in self._running:
            raise LatebloomError(f"{folder} was not started from this page, or has ended: stop it where it was started")
        self._running[folder][0].send_signal(signal.SIGINT)

    def state(self) -> dict[str, Any]:
        """What is allowed and what is under way."""
        self._sweep()
        return {"allowed": self.allowed, "running": sorted(self._running), "presets": sorted(presets())}

    def close(self) -> None:
        """Stop all, so that each stores its state."""
        for process, _ in self._running.values():
            process.send_signal(signal.SIGINT)
        for process, _ in self._running.values():
            process.wait(timeout=60)

    def _check(self) -> None:
        if not self.allowed:
            raise LatebloomError("runs may be started from here only after `latebloom serve --allow-run`")

    def _launch(self, folder: str, words: list[str]) -> str:
        self._sweep()
        if folder in self._running:
            return folder
        if len(self._running) >= MOST_JOBS:
            raise LatebloomError(f"{MOST_JOBS} runs are under way already: wait for one or stop it")
        said = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process has ended)
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *words, "--quiet", "--runs", str(self.root)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        self._running[folder] = (process, said)
        return folder

    def _sweep(self) -> None:
        for folder, (process, said) in list(self._running.items()):
            if process.poll() is not None:
                said.close()
                del self._running[folder]


def _settings(settings: dict[str, str]) -> dict[str, str]:
    for path, value in settings.items():
        if not _SETTING.fullmatch(path) or not isinstance(value, str):
            raise LatebloomError(f"expected settings such as optim.weight_decay with a text, got {path!r}")
        # a name may be a file of anybody's, and a file is code
        if path.endswith(("name", "measures")) and re.search(r"[:/\\]", value):
            raise LatebloomError(f"{path}: expected a name that is built in, got {value!r}; own files: `latebloom run`")
    return settings

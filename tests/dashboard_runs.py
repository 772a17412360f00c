"""A study to look at, and a server that shows a runs folder."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from latebloom.dashboard.access import Access
from latebloom.dashboard.app import make_app
from latebloom.experiment import run_experiment
from latebloom.spec import RunSpec, override, read, resolve

SMALL = {
    "task.p": "11",
    "model.d_model": "16",
    "model.n_heads": "2",
    "model.d_mlp": "24",
    "steps": "60",
    "log.every": "5",
    "checkpoints.every": "10",
}
DECAYS, FRACTIONS = [0.5, 1.0], [0.4, 0.6]


def small(**changes: str) -> RunSpec:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return resolve(override(read("quick")[1], SMALL | named))


def make_study(root: Path) -> None:
    """A study of four cells with two seeds each, of which one run is still to come."""
    runs = []
    for decay in DECAYS:
        for fraction in FRACTIONS:
            for seed in (0, 1):
                changes = {"optim__weight_decay": str(decay), "split__fraction": str(fraction), "seed": str(seed)}
                spec = small(**changes, log__measures="none", steps="12")
                cell = {"optim.weight_decay": decay, "split.fraction": fraction}
                runs.append({"id": spec.run_id, "cell": cell, "seed": seed})
                if len(runs) < 8:
                    run_experiment(spec, root, "decay-study", threads=1)
    axes = [
        {"name": "optim.weight_decay", "paths": ["optim.weight_decay"], "values": DECAYS},
        {"name": "split.fraction", "paths": ["split.fraction"], "values": FRACTIONS},
    ]
    base = override(read("quick")[1], SMALL | {"steps": "12"})
    study = {"schema": 1, "name": "decay-study", "question": "Does decay matter?", "base": base, "axes": axes}
    (root / "decay-study" / "study.json").write_text(json.dumps(study | {"seeds": [0, 1], "runs": runs}), "utf-8")


class Served:
    """The dashboard of a folder, in a thread of this process."""

    def __init__(self, root: Path, access: Access | None = None, allow_run: bool = False) -> None:
        self.app = make_app(root, access or Access("127.0.0.1"), allow_run)
        self.server = uvicorn.Server(uvicorn.Config(self.app, port=0, log_level="error", timeout_graceful_shutdown=1))
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> Served:
        self.thread.start()
        deadline = time.monotonic() + 10
        while not self.server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, *error: Any) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=10)

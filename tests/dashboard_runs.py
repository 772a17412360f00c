"""A study to look at, and a server that shows a runs folder."""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import torch
import uvicorn

from latebloom.analysis import find_events
from latebloom.dashboard.access import Access
from latebloom.dashboard.app import make_app
from latebloom.experiment import run_experiment
from latebloom.spec import RunSpec, override, read, resolve
from latebloom.store import RunWriter, open_run

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


def cut_to_one_axis(study: Path) -> None:
    """Make a study one of decay alone, in which seeds and fractions are pooled."""
    plan = json.loads((study / "study.json").read_text("utf-8"))
    plan["axes"] = plan["axes"][:1]
    for run in plan["runs"]:
        del run["cell"]["split.fraction"]
    (study / "study.json").write_text(json.dumps(plan), "utf-8")


def row_of(step: int, memorised: int, grokked: int) -> dict[str, float]:
    """A row of a run that memorises and groks at given steps."""
    train, test = float(step >= memorised), float(step >= grokked)
    losses = {"train_loss": 1.5 - train, "test_loss": 2.5 - 2 * test}
    return {"train_accuracy": train, "test_accuracy": test} | losses


def write_rows(root: Path, name: str, memorised: int, grokked: int, last: int = 800) -> RunWriter:
    """The writer of a run under way in the group "made", of which rows up to `last` are there."""
    writer = RunWriter.open(root, "made", name, {"task": {"name": "made"}, "steps": 1000}, {}, 1000)
    for step in range(0, last + 1, 10):
        writer.log(step, row_of(step, memorised, grokked), {})
    writer.checkpoint(last, {"params/w": torch.zeros(2)}, {}, lambda step: True)
    return writer


def make_run(root: Path, name: str, memorised: int, grokked: int) -> str:
    """A finished run that memorised and grokked at given steps; its folder."""
    with write_rows(root, name, memorised, grokked) as writer:
        scalars = open_run(writer.folder).scalars
        writer.finish([event.to_json() for event in find_events(scalars)], {"last_step": 800})
    return f"made/{name}"


class Tracebacks(logging.Handler):
    """Everything that the server would have printed with a traceback."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.said.append(self.format(record))


class Served:
    """The dashboard of a folder, in a thread of this process; fails if a request ended in a traceback."""

    def __init__(self, root: Path, access: Access | None = None, allow_run: bool = False) -> None:
        self.app = make_app(root, access or Access("127.0.0.1"), allow_run)
        # without a set-up of its own: its words go to the log that is listened to
        config = uvicorn.Config(self.app, port=0, log_config=None, timeout_graceful_shutdown=1)
        self.server, self.tracebacks = uvicorn.Server(config), Tracebacks()
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> Served:
        logging.getLogger("uvicorn.error").addHandler(self.tracebacks)
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
        logging.getLogger("uvicorn.error").removeHandler(self.tracebacks)
        assert self.tracebacks.said == []

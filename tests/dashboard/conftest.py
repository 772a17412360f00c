"""A runs folder with a little of everything, and a server that shows it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from browsing import User
from dashboard_runs import Served, make_study, small
from latebloom.experiment import run_experiment
from latebloom.store import RunWriter


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs of one group, one that was stopped, and a study."""
    root = tmp_path_factory.mktemp("served") / "runs"
    for seed in ("0", "1"):
        run_experiment(small(seed=seed), root, "pair", threads=1)
    with RunWriter.open(root, "broken", "seed-9-0000000000", {"task": {"name": "<b>odd</b>"}}, {}, 10) as writer:
        writer.log(0, {"train_accuracy": 0.5, "test_accuracy": 0.25}, {})
        writer.fail("diverged: a weight is no longer finite at step 0", [])
    make_study(root)
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(made, tmp_path / "runs"))


@pytest.fixture
def served(root: Path) -> Iterator[Served]:
    with Served(root) as server:
        yield server


@pytest.fixture
def user(browser: Any, served: Served) -> Iterator[Callable[..., User]]:
    users: list[User] = []

    def made(**context: Any) -> User:
        users.append(User(browser, served.address, **context))
        return users[-1]

    yield made
    for one in users:
        one.close()

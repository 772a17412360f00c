"""Forks that are asked for, and forks that are ready to be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latebloom.forks.changes import Change
from latebloom.forks.moments import Moment
from latebloom.spec import RunSpec
from latebloom.store import Run

GROUP = "forks"
"""The folder of all forks in a runs folder: the same fork, asked for twice, is one run."""


@dataclass(frozen=True)
class Asked:
    """What forks are asked for: each change at each moment of each parent.

    Attributes:
        parents: the runs that are forked.
        moments: steps, or names of events.
        changes: what is changed.
        steps: how many steps follow each fork; None is up to the parent's last step.
        recorded: settings of what is recorded, of forks and twins alike.
    """

    parents: tuple[Run, ...]
    moments: tuple[str, ...]
    changes: tuple[Change, ...]
    steps: int | None = None
    recorded: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ready:
    """A fork that is ready to be trained, or trained.

    Attributes:
        parent: the run that is forked.
        moment: where.
        change: what is changed.
        spec: the fork's.
        twin: the folder of the run that it is compared with.
        twin_spec: of the twin where it is a run of its own; None where the parent itself is the twin.
        threads: CPU threads that both are trained with.
    """

    parent: Run
    moment: Moment
    change: Change
    spec: RunSpec
    twin: Path
    twin_spec: RunSpec | None
    threads: int

    @property
    def specs(self) -> list[RunSpec]:
        """What has to be trained."""
        return [self.spec] if self.twin_spec is None else [self.spec, self.twin_spec]

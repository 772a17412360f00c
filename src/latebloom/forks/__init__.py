"""Runs that continue another run's step with something changed, beside their untouched twins."""

from latebloom.forks.asked import GROUP, Asked, Ready
from latebloom.forks.changes import Change, told_apart
from latebloom.forks.fork import Forked, run_forks
from latebloom.forks.operation import surgery_named
from latebloom.forks.plan import Plan, read_plan
from latebloom.forks.prepare import parents_of, prepare

__all__ = [
    "GROUP",
    "Asked",
    "Change",
    "Forked",
    "Plan",
    "Ready",
    "parents_of",
    "prepare",
    "read_plan",
    "run_forks",
    "surgery_named",
    "told_apart",
]

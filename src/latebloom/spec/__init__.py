"""Everything that decides a run's result: tables and presets, validated, frozen, hashed."""

from latebloom.spec.cadence import checkpoint_due, log_due, log_gap, takings
from latebloom.spec.example_list import packed
from latebloom.spec.faults import Fault, SpecError, suggestion
from latebloom.spec.files import (
    about,
    canonical,
    describe,
    described,
    json_schema,
    override,
    presets,
    put,
    read,
    value_of,
    write,
)
from latebloom.spec.named import REGISTRIES, construct, find_function, names_code, settings, source_digest, source_file
from latebloom.spec.own_measures import own_measures
from latebloom.spec.resolve import resolve
from latebloom.spec.run_spec import Fork, Loss, RunSpec, Schedule

__all__ = [
    "REGISTRIES",
    "Fault",
    "Fork",
    "Loss",
    "RunSpec",
    "Schedule",
    "SpecError",
    "about",
    "canonical",
    "checkpoint_due",
    "construct",
    "describe",
    "described",
    "find_function",
    "json_schema",
    "log_due",
    "log_gap",
    "names_code",
    "override",
    "own_measures",
    "packed",
    "presets",
    "put",
    "read",
    "resolve",
    "settings",
    "source_digest",
    "source_file",
    "suggestion",
    "takings",
    "value_of",
    "write",
]

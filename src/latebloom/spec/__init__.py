"""Everything that decides a run's result: tables and presets, validated, frozen, hashed."""

from latebloom.spec.faults import Fault, SpecError, suggestion
from latebloom.spec.files import about, describe, json_schema, override, presets, read, write
from latebloom.spec.named import REGISTRIES, settings, source_file
from latebloom.spec.resolve import resolve
from latebloom.spec.run_spec import RunSpec

__all__ = [
    "REGISTRIES",
    "Fault",
    "RunSpec",
    "SpecError",
    "about",
    "describe",
    "json_schema",
    "override",
    "presets",
    "read",
    "resolve",
    "settings",
    "source_file",
    "suggestion",
    "write",
]

"""A laboratory for grokking: train, measure, find the phases, take the circuit apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom import figures
    from latebloom.recorder import Recorder
    from latebloom.store import open_run as open
    from latebloom.store import open_study

__version__ = "0.1.0"

__all__ = ["Recorder", "figures", "open", "open_study"]


def __getattr__(name: str) -> Any:
    # imported when it is first used, so that `latebloom --help` answers at once
    if name == "open":
        from latebloom.store import open_run

        return open_run
    if name == "open_study":
        from latebloom.store import open_study

        return open_study
    if name == "figures":
        from importlib import import_module

        return import_module("latebloom.figures")
    if name == "Recorder":
        from latebloom.recorder import Recorder

        return Recorder
    raise AttributeError(f"module 'latebloom' has no attribute {name!r}")

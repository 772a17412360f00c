"""What is shown to people: the report of a run.

Names are imported when they are first used: the terminal's display needs no torch, and the report does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom.views.report import render_report, write_report

__all__ = ["render_report", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from latebloom.views import report

    return getattr(report, name)

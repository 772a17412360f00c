"""What is shown to people: the report of a run."""

from latebloom.views.report import render_report, write_report

__all__ = ["render_report", "write_report"]

"""The rules by which events are found, a set of rules a file; each is fed the log row by row."""

from latebloom.analysis.finders.accuracy import Accuracy
from latebloom.analysis.finders.contract import Finder, Marks
from latebloom.analysis.finders.curvature import CurvatureDrop
from latebloom.analysis.finders.independent import Independent
from latebloom.analysis.finders.nanda2023 import Nanda
from latebloom.analysis.finders.transitions import Transitions

MORE: tuple[type[Finder], ...] = (Nanda, Independent, CurvatureDrop)
"""In the order of the table of events, after those of accuracy, which set the marks that these look at."""

__all__ = ["MORE", "Accuracy", "CurvatureDrop", "Finder", "Independent", "Marks", "Nanda", "Transitions"]

"""Statistics over runs, with the seed as the unit: survival, scaling fits, effect sizes, several tests at once."""

from latebloom.analysis.statistics.by_axis import ByAxis, by_axis, fit_all
from latebloom.analysis.statistics.effects import Effect, cliffs_delta, ratio_of_medians
from latebloom.analysis.statistics.multiple import benjamini_hochberg, holm
from latebloom.analysis.statistics.scaling import Estimate, ScalingFit, fit_power_law
from latebloom.analysis.statistics.survival import Curve, LogRank, Median, kaplan_meier, logrank, median
from latebloom.analysis.statistics.times import Times, delay_times, exact, times_of

__all__ = [
    "ByAxis",
    "Curve",
    "Effect",
    "Estimate",
    "LogRank",
    "Median",
    "ScalingFit",
    "Times",
    "benjamini_hochberg",
    "by_axis",
    "cliffs_delta",
    "delay_times",
    "exact",
    "fit_all",
    "fit_power_law",
    "holm",
    "kaplan_meier",
    "logrank",
    "median",
    "ratio_of_medians",
    "times_of",
]

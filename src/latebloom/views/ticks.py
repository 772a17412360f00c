"""Ticks of a logarithmic axis, whatever it covers: a short one would have one power of ten or none."""

from __future__ import annotations

import math
from collections.abc import Iterable

from latebloom.views.findings import raised

FEW = 3


def log_ticks(low: float, high: float, most: int = 10) -> list[float]:
    """Powers of ten; their ones, twos and fives where there are fewer than three; even steps where those too are few.

    Args:
        low: the axis' lower end, above 0.
        high: its upper end, above `low`.
        most: ticks at most; of more powers of ten every second, third … is kept.

    Returns:
        Ascending, three or more; none of an axis without extent.
    """
    if not 0 < low < high < math.inf:
        return []
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = _within((10.0**e for e in range(first, last + 1)), low, high)
    if len(powers) >= FEW:
        return powers[:: math.ceil(len(powers) / most)]
    some = _within((float(f"{n}e{e}") for e in range(first, last + 1) for n in (1, 2, 5)), low, high)
    if len(some) >= FEW:
        return some
    rough = (high - low) / FEW
    size = 10.0 ** math.floor(math.log10(rough))
    gap = max(size * n for n in (1, 2, 5) if size * n <= rough)
    return [float(f"{i * gap:.12g}") for i in range(math.ceil(low / gap), math.floor(high / gap) + 1)]


def power(value: float) -> str:
    """A number by its power of ten: 10⁻⁴, 2·10⁻⁴."""
    digits, exponent = f"{value:e}".split("e")
    ten = f"10{raised(int(exponent))}"
    return ten if float(digits) == 1 else f"{float(digits):g}·{ten}"


def _within(places: Iterable[float], low: float, high: float) -> list[float]:
    return [place for place in places if low <= place <= high]

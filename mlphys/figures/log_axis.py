"""Labels of logarithmic axes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis

DECADES = 300  # range from which only powers of ten are labelled
DIGITS = 10  # range up to which every digit is labelled; 1, 2 and 5 in between
PLAIN = 1e-3, 1e6  # numbers between them are written out
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def label(axis: Axis) -> None:
    """Label a logarithmic axis at powers of ten, between few of them also at 2 and 5, within one at every digit.

    Its limits must have been set: an axis of less than a decade would otherwise have one label, or none.
    """
    from matplotlib.ticker import LogLocator

    low, high = axis.get_view_interval()
    span = high / low
    subs = (1.0,) if span > DECADES else (1.0, 2.0, 5.0) if span > DIGITS else tuple(map(float, range(1, 10)))
    axis.set_major_locator(LogLocator(subs=subs))
    plain = PLAIN[0] <= low and high <= PLAIN[1]
    if span > DECADES and not plain:
        axis.set_major_formatter(power_of_ten)
    else:
        axis.set_major_formatter("{x:,.10g}" if plain else "{x:g}")
    axis.set_minor_formatter("")


def power_of_ten(value: float, _: float) -> str:
    """`10⁻³` of .001, `1` of 1."""
    exponent = round(math.log10(value))
    return {0: "1", 1: "10"}.get(exponent) or "10" + str(exponent).translate(SUPERSCRIPT)

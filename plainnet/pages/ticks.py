"""Places for the ticks of an axis, and their labels as people write them: 0.5, 20M, 1e-5."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

__all__ = ["linear_ticks", "log_ticks", "tick_labels"]

UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def linear_ticks(low: float, high: float, *, about: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two ends, about so many."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / about
    if raw < 1e-300:  # too near to zero to be divided further
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= raw), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between two positive ends; where that leaves fewer than four, 2 and 5 times them, too."""
    exponents = range(math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9) + 1)
    for factors in ((1,), (1, 2, 5)):
        found = [factor * 10.0**each for each in exponents for factor in factors]
        found = [each for each in found if low * (1 - 1e-9) <= each <= high * (1 + 1e-9)]
        if len(found) >= 4:
            break
    every = -(-len(found) // 8)
    return found[::every] if len(found) >= 2 else linear_ticks(low, high)


def tick_labels(ticks: Sequence[float], *, is_even: bool = True) -> list[str]:
    """What stands at the ticks of one axis, all in one form: 0, 0.5M, 1M; 5k, 10k; 1e-5, 1e-4.

    Even ticks share a unit, and have as many digits as tell them apart. Others, of ratios or chosen by somebody, have each
    their own unit and four digits at most.
    """
    known = [abs(each) for each in ticks if each and math.isfinite(each)]
    if not known:
        return [f"{each:g}" for each in ticks]
    if min(known) < 1e-4 and (max(known) < 1e-4 or not is_even):
        return [_power(each) for each in ticks]
    units = [unit for unit in UNITS if max(known) >= unit[0]] if max(known) >= 1e4 else []
    if not is_even:
        return [_in_unit(each, [unit for unit in units if abs(each) >= unit[0]][:1], ()) for each in ticks]
    return [_in_unit(each, units[:1], ticks) for each in ticks]


def _in_unit(value: float, units: Sequence[tuple[float, str]], among: Sequence[float]) -> str:
    """A value in the unit, if there is one; zero has none."""
    for size, sign in units:
        text = _plain(value / size, [each / size for each in among])
        return text if text == "0" else f"{text}{sign}"
    return _plain(value, among)


def _power(value: float) -> str:
    if value == 0 or 1 <= abs(value) < 1e4:
        return f"{value:g}"
    digits, exponent = f"{value:.3g}".partition("e")[::2] if "e" in f"{value:.3g}" else f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def _plain(value: float, among: Sequence[float]) -> str:
    gaps = [abs(b - a) for a, b in itertools.pairwise(among) if b != a]
    if not gaps:
        return f"{value:.4g}"
    after = max(0, -math.floor(math.log10(min(gaps)) + 1e-9))
    text = f"{value:.{min(after, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

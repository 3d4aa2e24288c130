"""Places for the ticks of an axis, and their labels as people write them: 0.5, 20M, 1e-5."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

__all__ = ["linear_ticks", "log_ticks", "short"]

UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


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


def short(value: float, among: Sequence[float] = ()) -> str:
    """The label of a tick: 20M, 1.5k, 0.25, 1e-5. `among`: the ticks of its axis, which say how many digits it needs."""
    if not math.isfinite(value):
        return str(value)
    largest = max([abs(value), *map(abs, among)])
    if value and (largest < 1e-4 or (abs(value) < 1e-4 and len(among) < 2)):
        return _power(value)
    for limit, unit in UNITS:
        if abs(value) >= limit and largest >= max(limit, 1e4):
            return f"{_plain(value / limit, [each / limit for each in among])}{unit}"
    return _plain(value, among)


def _power(value: float) -> str:
    digits, exponent = f"{value:.3g}".partition("e")[::2] if "e" in f"{value:.3g}" else f"{value:.2e}".split("e")
    return f"{float(digits):g}e{int(exponent)}"


def _plain(value: float, among: Sequence[float]) -> str:
    gaps = [abs(b - a) for a, b in itertools.pairwise(among) if b != a]
    if not gaps:
        return f"{value:.4g}"
    after = max(0, -math.floor(math.log10(min(gaps)) + 1e-9))
    text = f"{value:.{min(after, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

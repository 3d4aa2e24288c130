"""Sums of logarithms, bounded from above by their tangents and from below by what is known.

f(s) = sum over k of c_k log s_k. Of points that are known, the best mixture; of planes p_i s <= h_i that hold for all points, the
most that f can be. Both are the same problem, to find a mixture of rows whose f is largest.
"""

from __future__ import annotations

import math

import numpy as np

from plainnet.search.exact.monomials import Floats

__all__ = ["best_mixture", "greatest"]

ROUNDS = 20_000


def best_mixture(rows: Floats, factors: Floats, *, close: float = 1e-7) -> Floats:
    """The shares of rows (all above 0) whose mixture has the greatest f, to within about `close`."""
    shares = np.full(len(rows), 1 / len(rows))
    weights = factors / factors.sum()
    for _ in range(ROUNDS):
        gains = rows @ (weights / (shares @ rows))
        if gains.max() <= 1 + close:
            break
        shares = shares * gains
        shares /= shares.sum()
    return shares


def greatest(planes: Floats, heights: Floats, factors: Floats) -> float:
    """Above which f is at no point s with planes @ s <= heights. It holds however good the mixture is that was found:
    for any shares m, with q = sum over i of m_i p_i / h_i, the mean of the planes says q s <= 1, and f is at most
    sum over k of c_k log(c_k / (C q_k)) there, C being the sum of the factors."""
    rows = planes / heights[:, None]
    mixed = best_mixture(rows, factors) @ rows
    total = float(factors.sum())
    found: float = sum(c * math.log(c / (total * q)) for c, q in zip(factors.tolist(), mixed.tolist(), strict=True))
    return found

"""Networks in the order of their scores."""

from __future__ import annotations

import math

from plainnet.proxies.score_order import indistinguishable, ranked
from plainnet.proxies.score_record import Score


def record(*values: float, exact: bool = False, higher: bool = True) -> Score:
    return Score("test", values, higher, exact)


def test_ranks_and_what_is_not_told_apart() -> None:
    scores = [record(1.0, 1.1, 0.9), record(5.0, 5.1, 4.9), record(1.05, 1.1, 1.0), record(math.nan, 1.0)]
    places = ranked(scores)
    assert [place.index for place in places] == [1, 2, 0, 3]
    assert [place.ties for place in places] == [(), (3,), (2,), ()]
    lower = ranked([record(1.0, exact=True, higher=False), record(2.0, exact=True, higher=False)])
    assert [place.index for place in lower] == [0, 1]


def test_one_repeat_tells_nothing_apart_and_counts_tell_all() -> None:
    assert indistinguishable(record(1.0), record(100.0))
    assert not indistinguishable(record(1.0, exact=True), record(2.0, exact=True))
    assert indistinguishable(record(2.0, exact=True), record(2.0, exact=True))
    assert indistinguishable(record(math.inf), record(math.inf))
    assert not indistinguishable(record(math.inf), record(1.0, 2.0))

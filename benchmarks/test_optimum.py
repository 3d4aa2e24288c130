"""Optima of the published searches: the gap that is proven and the whole closed form of the network, with the CPU seconds; and
those in which the independent program checks the certificate.
"""

import time

import pytest

from plainnet.search.exact.asking import exact_config
from plainnet.search.exact.optimum import solved
from plainnet.search.exact.verify import verify

CASES = {
    "cifar": ("zennas-resnet", {"params": 1.041e6, "layers": 18}, 1e-3, 202.7),
    "cifar, two budgets": ("zennas-resnet", {"params": 1.041e6, "macs": 159.3e6, "layers": 18}, 5e-3, 200.6),
    "mobile 400M": ("zennas-mobile", {"macs": 400.2e6, "layers": 14}, 2e-3, 150.8),
    "mobile 600M": ("zennas-mobile", {"macs": 597.5e6, "layers": 14}, 2e-3, 156.0),
    "mobile 900M": ("zennas-mobile", {"macs": 909.3e6, "layers": 16}, 2e-3, 185.5),
}
"""Space, budgets, the largest gap, and the least whole closed form of the network."""


@pytest.mark.parametrize("name", CASES)
def test_the_published_budgets(name):
    space, limits, gap, least = CASES[name]
    began = time.process_time()
    run = solved(exact_config(space, limits=limits), gap=gap, top=1)
    found = run.result()
    seconds = time.process_time() - began
    (certificate,) = run.certificates()
    began = time.process_time()
    checked = verify(certificate)
    checking = time.process_time() - began
    print(
        f"{name}: {seconds:.1f} s of CPU time, {found.value:.4f} of at most {found.bound:.4f} ({found.gap:.3%}), "
        f"closed form {found.best.scores['zen']:.2f}; certificate checked in {checking:.1f} s"
    )
    assert found.reason == "optimal"
    assert checked.holds
    assert found.value <= found.bound <= found.value * (1 + gap)
    assert found.best.scores["zen"] >= least
    assert all(found.best.costs[budget] <= limit for budget, limit in limits.items())

"""Twenty trained networks of a space rank the others: plainnet.validation.calibrating, on NAS-Bench-Macro.

The accuracies ship with the package; in their place stand those of networks that you trained.
"""

import random

import numpy as np

from plainnet.proxies.calibrated.features import network_features
from plainnet.templates.nas_bench_macro import RESOLUTION, network_of_code, trained_networks
from plainnet.validation.calibrating import calibrate, of_structures
from plainnet.validation.ranking import rank_correlations

drawn = random.Random(1).sample(trained_networks(), 320)
trained, rest = drawn[:20], drawn[20:]

report = calibrate(
    of_structures(
        "NAS-Bench-Macro",
        [network_of_code(each.code) for each in trained],
        [each.accuracy for each in trained],
        resolution=RESOLUTION,
    )
)
print(f"left out, the {report.networks} trained ones are ranked with Spearman {report.left_out.spearman.value:.2f}")
print(f"the best single score is {report.best_single}: {report.singles[report.best_single].spearman.value:.2f}")

expected = report.calibration.predict([network_features(network_of_code(each.code), RESOLUTION) for each in rest])
measured = np.array([each.accuracy for each in rest])
spearman, kendall = rank_correlations(expected.mean, measured)
inside = ((expected.low <= measured) & (measured <= expected.high)).mean()
print(f"the {len(rest)} others are ranked with Spearman {spearman:.2f}, Kendall {kendall:.2f}")
print(f"{inside:.0%} of them lie within their 90 % interval")
assert spearman > 0.85

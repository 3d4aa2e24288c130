"""How well n trained networks of a space rank the rest: Spearman on the networks that were not trained, mean of 30 draws.

    python benchmarks/calibration.py FOLDER [n ...]

FOLDER holds the files of `trained_sets`; n is 10, 20 and 50 by default. Beside it: params, MACs, and how the leave-one-out
figure compares that `plainnet calibrate` prints. Of a set with several tasks the mean is taken over the tasks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from trained_sets import SETS, read_set

from plainnet.proxies.calibrated.features import features_of_rows
from plainnet.proxies.calibrated.model import GaussianModel, as_array
from plainnet.validation.calibrating import singles_of
from plainnet.validation.ranking import rank_correlations

DRAWS = 30
COMPOSITE = "composite(version=1)"
"""Of the composite's versions the one that follows from the features."""
Array = NDArray[np.float64]


def draws(features: Array, accuracies: Array, count: int, *, seed: int = 0) -> tuple[float, float, float]:
    """(Spearman on the rest, leave-one-out Spearman, part of the rest within the 90 % interval), means over draws."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(DRAWS):
        order = generator.permutation(len(accuracies))
        trained, rest = order[:count], order[count:]
        model = GaussianModel(features[trained], accuracies[trained])
        expected = model.predict(features[rest])
        within = (expected.low <= accuracies[rest]) & (accuracies[rest] <= expected.high)
        found.append(
            (
                rank_correlations(expected.mean, accuracies[rest])[0],
                rank_correlations(model.left_out[0], accuracies[trained])[0],
                float(within.mean()),
            )
        )
    rank, left_out, covered = np.mean(found, axis=0)
    return float(rank), float(left_out), float(covered)


def main(arguments: Sequence[str]) -> None:
    if not arguments:
        sys.exit(__doc__)
    folder, counts = Path(arguments[0]), [int(each) for each in arguments[1:]] or [10, 20, 50]
    print(
        f"set | networks | params | MACs | {COMPOSITE} | "
        + " | ".join(f"n = {n}: rest, left out, within 90 %" for n in counts)
    )
    for name in SETS:
        graphs, columns = read_set(folder, name)
        found = [features_of_rows(rows, shape) for rows, shape in graphs]
        features, singles = as_array(found), singles_of(found)
        figures: list[list[float]] = []
        for accuracies in map(np.array, columns.values()):
            known = np.isfinite(accuracies)
            line = [
                rank_correlations(np.array(singles[each])[known], accuracies[known])[0]
                for each in ("params", "macs", COMPOSITE)
            ]
            for count in counts:
                line += draws(features[known], accuracies[known], count)
            figures.append(line)
        shown = [f"{value:.3f}" for value in np.mean(figures, axis=0)]
        ranks = [", ".join(shown[at : at + 3]) for at in range(3, len(shown), 3)]
        print(" | ".join([name, str(len(found)), *shown[:3], *ranks]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])

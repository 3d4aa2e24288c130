"""The composite on the two sets of cell networks, from rows: NAS-Bench-101 (a sample), NAS-Bench-301 (a surrogate's accuracies).

python -m benchmarks.composite_on_cells
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.trained_sets import SETS
from plainnet.blocks.rows.counts import add_rows
from plainnet.proxies.closed.composite import VERSIONS, composite_of_rows
from plainnet.validation.ranking import rank_correlations
from plainnet.validation.trained_sets import CELLS, published_figures

LINES = {
    "nas-bench-101": lambda code: {"matrix_and_ops": " ".join(code)},
    "nas-bench-301": lambda code: {
        "arch": str([[(int(cell[i]), int(cell[i + 1])) for i in range(0, 16, 2)] for cell in code.split("-")])
    },
}
"""A code as the line that the graph is read from."""


def figures(name: str) -> Iterator[tuple[str, float, float]]:
    """(score, Spearman, Kendall) on a set."""
    import numpy as np

    networks = published_figures(name)
    graphs = [SETS[name].graph(LINES[name](network.code)) for network in networks]
    scores = {
        f"composite, version {version}": [composite_of_rows(*graph, version).score for graph in graphs]
        for version in VERSIONS
    }
    sums = [add_rows(rows) for rows, _ in graphs]
    scores |= {"params": [each[0] for each in sums], "macs": [each[1] for each in sums]}
    accuracies = np.array([network.accuracy for network in networks])
    for label, values in scores.items():
        yield label, *rank_correlations(np.array(values, dtype=float), accuracies)


def main() -> None:
    """Print the figures."""
    for name in CELLS:
        for label, spearman, kendall in figures(name):
            print(f"{name}  {label:24} {spearman:.3f} / {kendall:.3f}")


if __name__ == "__main__":
    main()

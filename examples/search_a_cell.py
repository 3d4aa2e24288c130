"""A search among the cells of NAS-Bench-201: the best composite within 100 M MACs, by mutation of one edge at a time."""

import plainnet
from plainnet.search import SearchConfig, load_space, search

config = SearchConfig(
    load_space("nas-bench-201"),
    objectives=("composite",),
    limits={"macs": 100e6},
    resolution=32,
    num_classes=10,
    candidates=300,
    population=16,
    islands=2,
)
best = search(config).best
print(best.code, f"composite {best.scores['composite']:.2f}, {best.macs / 1e6:.1f} M MACs")
assert best.code is not None
assert plainnet.parse(plainnet.nas_bench_201(best.code)).hash == best.hash

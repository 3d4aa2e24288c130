"""A search among the 15,625 cells of NAS-Bench-201: the best composite within a budget, by mutation of one edge at a time."""

from random import Random

from plainnet.blocks import Shape
from plainnet.proxies.closed.composite import composite_of_table
from plainnet.templates.nas_bench_201 import OPERATIONS, nas_bench_201_codes, nas_bench_201_network

PLACES, rng = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|", Random(0)


def judged(cell):
    table = nas_bench_201_network(PLACES.format(*cell)).at(Shape(3, 32, 32))
    return composite_of_table(table).score if table.counts(10).macs < 100e6 else -1.0


best = ["skip_connect"] * 6
for _ in range(60):
    child = list(best)
    child[rng.randrange(6)] = rng.choice(OPERATIONS[1:])
    best = max(best, child, key=judged)
print(PLACES.format(*best), f"composite {judged(best):.2f}")
assert PLACES.format(*best) in nas_bench_201_codes()

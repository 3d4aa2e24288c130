"""The codes of cell networks, and their networks' parameters."""

import pytest

from plainnet import UsageError
from plainnet.blocks.rows.shapes import Shape
from plainnet.validation.cell_codes import (
    cell_of_nas_bench_101,
    genotype_of_nas_bench_301,
    nas_bench_101_network,
    nas_bench_301_network,
)
from plainnet.validation.trained_sets import published_figures


def test_every_code_that_ships_is_one():
    for network in published_figures("nas-bench-101"):
        matrix, operations = cell_of_nas_bench_101(network.code)
        assert len(matrix) == len(operations)
        assert (operations[0], operations.count("output")) == ("input", 1)
        assert not any(matrix[i][j] for i in range(len(matrix)) for j in range(i + 1))
    for network in published_figures("nas-bench-301"):
        normal, _, reduction, _ = genotype_of_nas_bench_301(network.code)
        assert len(normal) == len(reduction) == 8


def test_a_known_genotype():
    normal, nodes, reduction, _ = genotype_of_nas_bench_301("0015110113031332-1002130330012036")
    assert nodes == (2, 3, 4, 5)
    assert normal[:3] == (("max_pool_3x3", 0), ("dil_conv_3x3", 1), ("avg_pool_3x3", 1))
    assert reduction[-1] == ("dil_conv_5x5", 3)


@pytest.mark.parametrize("code", ["", "01", "0110010000", "0210010000041", "011001000051", "011001000٤41"])
def test_what_is_no_code_of_nas_bench_101(code):
    with pytest.raises(UsageError, match="no code of NAS-Bench-101"):
        cell_of_nas_bench_101(code)


@pytest.mark.parametrize("code", ["", "0015110113031332", "0015110113031332-10021303300120", "2015110113031332-1002130330012036",
                                  "0017110113031332-1002130330012036"])  # fmt: skip
def test_what_is_no_code_of_nas_bench_301(code):
    with pytest.raises(UsageError, match="no code of NAS-Bench-301"):
        genotype_of_nas_bench_301(code)


@pytest.mark.parametrize(
    ("name", "build"), [("nas-bench-101", nas_bench_101_network), ("nas-bench-301", nas_bench_301_network)]
)
def test_their_networks_have_the_published_parameters(name, build):
    """Beside the classifier; the norms of NAS-Bench-301's operations have no parameters, so that there are more here."""
    pytest.importorskip("plainnet.blocks.families.references", reason="cells take values by name")
    for network in published_figures(name)[::60]:
        params = sum(totals.sums.params for totals in build(network.code).totals(Shape(3, 32, 32)))
        more = params + 5130 - round(network.params * 1e6)
        assert more == 0 if name == "nas-bench-101" else 0 <= more < 20_000, network.code

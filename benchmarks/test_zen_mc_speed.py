"""The Monte-Carlo Zen-score beside its slow twin: build the module, initialise it, run it twice in default memory layout."""

import pytest
import torch

from plainnet.blocks.structure import parse
from plainnet.network.published import find_published
from plainnet.proxies.sampled.zen_mc import zen_mc
from plainnet.testing.zen_twin import slow_zen

pytest.importorskip("pytest_benchmark")

CIFAR_START = parse(
    "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,32,2,16,1)SuperResK3K3(32,64,2,32,1)"
    "SuperResK3K3(64,64,2,32,1)SuperConvK1BNRELU(64,128,1,1)"
)
CASES = [
    pytest.param(CIFAR_START, 32, 16, id="start of the CIFAR search, R 32, B 16"),
    pytest.param("zennet_cifar_model_size1M_res32", 32, 16, id="CIFAR 1M, R 32, B 16"),
    pytest.param("zennet_imagenet1k_flops400M_res224", 64, 8, id="ImageNet 400M, R 64, B 8"),
    pytest.param("zennet_imagenet1k_latency12ms_res224", 64, 8, id="ImageNet 1.2 ms, R 64, B 8"),
    pytest.param("zennet_imagenet1k_flops400M_res224", 224, 16, id="ImageNet 400M, R 224, B 16"),
]


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def structure_of(network):
    return find_published(network).structure if isinstance(network, str) else network


@pytest.mark.parametrize(("network", "resolution", "batch"), CASES)
def test_from_the_rows(benchmark, network, resolution, batch):
    structure = structure_of(network)
    found = benchmark.pedantic(
        lambda: zen_mc(structure, resolution=resolution, batch=batch, repeats=1).mean, rounds=5, warmup_rounds=1
    )
    # both draw from one distribution; a repeat's standard deviation is 1.1 at most
    assert found == pytest.approx(slow_zen(structure, resolution=resolution, batch=batch, seed=0), abs=6)


@pytest.mark.parametrize(("network", "resolution", "batch"), CASES)
def test_the_slow_twin(benchmark, network, resolution, batch):
    structure = structure_of(network)
    benchmark.pedantic(
        lambda: slow_zen(structure, resolution=resolution, batch=batch, seed=0), rounds=5, warmup_rounds=1
    )

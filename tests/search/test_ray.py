"""A search on a Ray cluster of two nodes, one of which dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from plainnet.search import Progress, RunStore, search
from tests.search.small import rows_of, small_config

ray = pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("default")]


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    root = str(Path(__file__).parents[2])
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = root + (os.pathsep + before if before else "")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 100_000_000})
    made.add_node(num_cpus=1, object_store_memory=100_000_000)
    ray.init(address=made.address, log_to_driver=False)
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def test_the_same_rows_on_two_nodes_and_when_one_of_them_dies(cluster: Any, tmp_path: Path) -> None:
    search(small_config(), tmp_path / "here")
    search(small_config(), tmp_path / "there", workers=2, executor="ray")
    assert rows_of(tmp_path / "there") == rows_of(tmp_path / "here")

    seen: list[Progress] = []

    def lose_a_node(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == 2:  # each of the two nodes has room for one worker, so the one that goes takes a worker with it
            (lost,) = cluster.worker_nodes
            cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
            cluster.remove_node(lost)

    search(small_config(), tmp_path / "lost", workers=2, executor="ray", watch=lose_a_node)
    assert rows_of(tmp_path / "lost") == rows_of(tmp_path / "here")
    notes = [text for _, kind, _, text in RunStore.open(tmp_path / "lost").events() if kind == "worker"]
    assert any("was replaced" in text for text in notes)


@pytest.mark.tail
def test_a_node_that_dies_in_the_middle_of_an_epoch_changes_no_row(cluster: Any, tmp_path: Path) -> None:
    """Every candidate takes a while here, so that an epoch takes seconds, and the node dies while it runs."""
    import threading

    file = tmp_path / "slow.py"
    file.write_text(
        "import time\n\n\ndef score(structure, setting):\n    time.sleep(0.04)\n    return len(str(structure))\n"
    )
    config = small_config(objectives=(f"{file}:score",), candidates=900, epoch=100)
    search(config, tmp_path / "here")

    def lose_a_node(progress: Progress) -> None:
        if progress.done == 400 and not progress.message:  # the epoch behind it has begun, and has 400 candidates
            (lost,) = cluster.worker_nodes
            cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
            threading.Timer(0.1, cluster.remove_node, [lost]).start()

    search(config, tmp_path / "lost", workers=2, executor="ray", watch=lose_a_node)
    assert rows_of(tmp_path / "lost") == rows_of(tmp_path / "here")
    notes = [text for _, kind, _, text in RunStore.open(tmp_path / "lost").events() if kind == "worker"]
    assert any("was replaced" in text for text in notes)

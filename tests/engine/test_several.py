"""Several processes compute what one does: gradients, statistics, means, evaluators, logs, whatever the sizes of batches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from launcher import run_script
from several import everything

CLOSE = 1e-9
"""Float64 sums in another order."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The numbers of one process, and of two."""
    path = tmp_path_factory.mktemp("several") / "numbers.json"
    result = run_script(2, "several.py", str(path))
    assert result.returncode == 0, result.stderr[-3000:]
    return json.loads(json.dumps(everything())), json.loads(path.read_text())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "accumulated"])
def test_two_processes_compute_what_one_does(runs: Any, name: str) -> None:
    """All kinds of batch norm, and a last batch of one image, which is as many updates and the same weights."""
    one, two = (run[name] for run in runs)
    assert two["updates"] == one["updates"] == {"plain": 16, "accumulated": 6}[name]
    assert two["weights"] == pytest.approx(one["weights"], abs=CLOSE)
    for own, other in zip(two["history"], one["history"], strict=True):
        assert own == pytest.approx(other, abs=CLOSE)


@pytest.mark.slow
def test_the_lines_of_the_log_are_of_all_processes_and_batches(runs: Any) -> None:
    for name in ("plain", "accumulated", "windowed"):
        for own, other in zip(runs[1][name]["lines"], runs[0][name]["lines"], strict=True):
            assert own == pytest.approx(other, abs=CLOSE)


@pytest.mark.slow
def test_evaluators_see_each_sample_once_and_in_order(runs: Any) -> None:
    for name in ("plain", "accumulated"):
        assert runs[1][name]["tables"] == runs[0][name]["tables"]
    assert sum(map(sum, runs[1]["plain"]["tables"]["confusion"])) == 50


@pytest.mark.slow
def test_what_is_recorded_is_of_the_model_that_is_saved(runs: Any) -> None:
    """Also where processes have statistics of their own in training: the first one's are the model's."""
    own = runs[1]["own statistics"]
    assert own["history"][-1]["val/loss"] == pytest.approx(own["alone"], abs=CLOSE)
    assert own["weights"] != pytest.approx(runs[1]["plain"]["weights"], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["said", "counted"])
def test_samples_that_were_dropped_do_not_count(runs: Any, name: str) -> None:
    one, two = (run[name] for run in runs)
    assert two["weights"] == pytest.approx(one["weights"], abs=1e-5)
    assert two["loss"] == pytest.approx(one["loss"], abs=1e-5)


@pytest.mark.slow
def test_a_norm_that_cannot_be_synchronised_is_named(runs: Any) -> None:
    assert runs[0]["refused"] == ""
    assert "0 is a OtherNorm with a forward of its own, which cannot be synchronised" in runs[1]["refused"]

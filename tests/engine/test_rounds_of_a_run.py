"""How far a training is that has not come to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from plainnet.engine.run.kept_trainings import describe_training, training_of

ROUND = '{"event": "epoch", "epoch": %d, "iteration": %d}\n'


@pytest.mark.parametrize(
    ("log", "rounds"),
    [
        ("", None),
        ('{"event": "train", "epoch": 0, "iteration": 20}\n', None),
        (ROUND % (1, 23) + ROUND % (2, 46) + '{"event": "train", "epoch": 2, "iteration": 60}\n', 2),
        (ROUND % (1, 23) + (ROUND % (2, 46))[:20], 1),  # it was killed while it wrote
        (ROUND % (1, 23) + "nothing of ours\n", None),
    ],
)
def test_the_rounds_of_a_training_that_was_killed_are_those_of_its_log(
    log: str, rounds: int | None, tmp_path: Path
) -> None:
    (tmp_path / "config.yaml").write_text("_base_: quick\ntrain: {epochs: 7}\n")
    (tmp_path / "log.jsonl").write_text(log)
    found = training_of(tmp_path)
    assert (found.state, found.rounds, found.of) == ("unfinished", rounds, 7)
    assert describe_training(tmp_path).get("rounds") == rounds
    (tmp_path / "summary.json").write_text('{"complete": true, "rounds": 7}')
    assert training_of(tmp_path).rounds == 7

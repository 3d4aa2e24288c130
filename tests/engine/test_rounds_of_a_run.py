"""How far a training is that has not come to its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plainnet.engine.run.kept_trainings import describe_training, training_of
from plainnet.reports.training_facts import training_facts

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


@pytest.mark.parametrize(("metric", "is_small"), [("accuracy", False), ("loss", True)])
def test_the_best_of_a_training_that_was_killed_is_that_of_its_log(metric: str, is_small: bool, tmp_path: Path) -> None:
    """Longer than a curve of a page, validated every third round: the best and its round are those of the log."""
    (tmp_path / "config.yaml").write_text(f"_base_: quick\ncheckpoint: {{best: {metric}}}\n")
    values = {number: 0.5 + 0.1 * (number % 7) for number in range(3, 2503, 3)} | {1212: -1.0 if is_small else 9.0}
    lines = [
        {"event": "epoch", "epoch": number, "iteration": 23 * number, "train/loss": 0.1}
        | ({f"val/{metric}": values[number]} if number in values else {})
        for number in range(1, 2503)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert training_of(tmp_path).score == values[1212]
    best = {"value": values[1212], "round": 1212}
    assert describe_training(tmp_path)["best"].items() >= best.items()
    assert training_facts(tmp_path)["best"].items() >= best.items()

"""Rungs that train: halving, seeds, interruptions, failures, rounds; with a trainer that trains nothing, and once for real."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plainnet.errors import RunError, UsageError
from plainnet.pages.search_page import search_page
from plainnet.reports import facts_of
from plainnet.search import SearchConfig, load_space, resume, search
from plainnet.search.ladder.ranking import is_climbed
from plainnet.search.ladder.train_rung import _spread
from plainnet.search.ladder.trainings import trained_in, trainings
from plainnet.search.report.search_facts import search_facts
from plainnet.search.runs.kept_runs import best_of, opened, state_of
from plainnet.search.runs.sweep import sweep
from plainnet.search.settings.rungs import Rung, read_rung
from plainnet.search.settings.trainer import TrainedNumbers, TrainingStopped
from tests.search.fake_trainer import PLAN, FakeTrainer, SentTrainer, accuracy_of, folder_names
from tests.search.resealed import reseal
from tests.search.small import rows_of


def config(ladder: str = "train@3:8,train@10:3,train:1", **changes: Any) -> SearchConfig:
    values: dict[str, Any] = {
        "limits": {"params": 2e5, "layers": 10},
        "candidates": 300,
        "islands": 2,
        "population": 12,
        "epoch": 75,
        "ladder": tuple(read_rung(each) for each in ladder.split(",")),
        "training": PLAN,
    }
    return SearchConfig(load_space("zennas-resnet"), **{**values, **changes})


def measures(folder: Path) -> list[tuple[Any, ...]]:
    return rows_of(folder)["measures"]


@pytest.mark.parametrize(
    ("text", "rung"),
    [
        ("train:8", Rung("train", 8, 1, 1)),
        ("train@3:8", Rung("train@3", 8, 1, 1)),
        ("train@3:8:2", Rung("train@3", 8, 2, 2)),
        ("train:8:1:4", Rung("train", 8, 1, 4)),
        ("zen_mc:32", Rung("zen_mc", 32, 2, 32)),
        ("calibrated:some/file.json:100:1:1", Rung("calibrated:some/file.json", 100, 1, 1)),
        ("calibrated:C:/a.json#0123456789ab:9", Rung("calibrated:C:/a.json#0123456789ab", 9, 2, 32)),
    ],
)
def test_rungs_are_read(text: str, rung: Rung) -> None:
    assert read_rung(text) == rung


@pytest.mark.parametrize(
    "text", ["train", "train@:3", "train@x:3", "train@0:3", "train@3.5:3", "train@-1:3", "train:0", "a:b:3"]
)
def test_what_is_no_rung_is_said(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no rung|has no length|needs keep"):
        read_rung(text)


def test_halving_trains_fewer_and_fewer_for_longer_and_the_last_rung_decides(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    result = search(config(), tmp_path / "r", trainer=trainer)
    assert Counter(length for _, _, _, length in trainer.trained) == {3: 8, 10: 3, None: 1}
    assert len(set(folder_names(trainer))) == 12
    first = [structure for structure, _, _, length in trainer.trained if length == 3]
    seeds = {structure: seed for structure, _, seed, length in trainer.trained if length == 3}
    ranked = sorted(first, key=lambda each: -accuracy_of(each, seeds[each], 3))
    assert [structure for structure, _, _, length in trainer.trained if length == 10] == ranked[:3]
    assert result.decided_by == "train"
    assert result.best.structure == trainer.trained[-1][0]
    assert result.explanations["train@3"] == "rung 1: the best 8 trained for 3 epochs"
    assert result.trained is not None
    assert result.trained.accuracy == result.best.scores["train"]
    with opened(tmp_path / "r") as store:
        assert (state_of(store), is_climbed(store)) == ("finished", True)
        table = trainings(store)
        assert [each.rung for each in table] == [1] * 8 + [2] * 3 + [3]
        assert [each.hash for each in table[:3]] == [
            each.hash for each in sorted(table[:8], key=lambda e: -(e.accuracy or 0))
        ][:3]
        name, found = trained_in(store)
        assert (name, len(found)) == ("train@3", 8)
        assert best_of(store, 1)[0].structure == result.best.structure
    (plan, known), *_ = trainer.checked
    assert plan == PLAN
    assert (known["input_shape"], known["num_classes"], known["lengths"]) == ((3, 32, 32), 100, [3, 10, None])


@pytest.mark.parametrize("how", ["raise", "signal"])
def test_a_search_that_is_stopped_at_any_training_ends_with_the_same_table(tmp_path: Path, how: str) -> None:
    whole = config("train@2:4,train:2:1:2")
    search(whole, tmp_path / "whole", trainer=FakeTrainer())
    expected = measures(tmp_path / "whole")

    def stop(number: int) -> TrainedNumbers | None:
        if number == 2:
            if how == "raise":
                raise KeyboardInterrupt
            return TrainedNumbers(None, 0.1, "SIGTERM")
        return None

    folder, sessions = tmp_path / "parts", 0
    while True:
        sessions += 1
        trainer = FakeTrainer(stop)
        try:
            if sessions == 1:
                search(whole, folder, trainer=trainer)
            else:
                resume(folder, trainer=trainer)
            break
        except KeyboardInterrupt as error:
            assert how == "raise" or (isinstance(error, TrainingStopped) and error.number == 15)
            with opened(folder) as store:
                assert state_of(store) == "unfinished"
    assert sessions > 2
    assert measures(folder) == expected
    with opened(folder) as store:
        assert state_of(store) == "finished"
    again = FakeTrainer()
    resume(folder, trainer=again)
    assert again.trained == []


def test_the_page_draws_how_the_trainings_went(tmp_path: Path) -> None:
    """Of the best of each rung, as far as their folders can still be read."""

    class Logged(FakeTrainer):
        def train(self, plan: Any, *, folder: str, **known: Any) -> TrainedNumbers:
            numbers = super().train(plan, folder=folder, **known)
            Path(folder).mkdir(parents=True)
            Path(folder, "best.safetensors").touch()
            Path(folder, "config.yaml").write_text(
                "model: {type: PlainNet}\ndata: {type: digits}\ntrain: {epochs: 2}\n"
            )
            lines = [{"event": "epoch", "iteration": at, "val/accuracy": numbers.value * at / 9} for at in (4, 9)]  # type: ignore[operator]
            Path(folder, "log.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
            return numbers

    search(config(), tmp_path / "run", trainer=Logged())
    facts = facts_of(tmp_path / "run")
    with opened(tmp_path / "run") as store:
        found = trainings(store)
    for rung in facts.told["trainings"]:
        best = [each for each in found if each.rung == rung["rung"]]
        assert [name for name, _ in rung["curves"]] == [each.hash for each in best]
        assert [curve[-1] for _, curve in rung["curves"]] == [(9, each.accuracy) for each in best]
        assert (rung["metric"], rung["of"]) == ("accuracy", len(best))
    assert [rung["rung"] for rung in facts.told["trainings"]] == [1, 2, 3]
    assert search_page(facts.told).count("<h2>The trainings of rung") == 3
    assert found[0].folder is not None
    (found[0].folder / "log.jsonl").write_text("no line\n")
    assert found[0].hash not in dict(facts_of(tmp_path / "run").told["trainings"][0]["curves"])


def test_several_processes_give_the_same_table(tmp_path: Path) -> None:
    for workers in (1, 2):
        search(config("train@2:5,train:2"), tmp_path / str(workers), workers=workers, trainer=SentTrainer())
    assert rows_of(tmp_path / "1") == rows_of(tmp_path / "2")


def test_seeds_are_added_until_the_best_is_told_apart(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    result = search(config("train:4:2:8"), tmp_path / "r", trainer=trainer)
    often = Counter(structure for structure, *_ in trainer.trained)
    assert min(often.values()) == 2
    assert len({(structure, seed) for structure, _, seed, _ in trainer.trained}) == len(trainer.trained)
    assert result.trained is not None
    assert result.trained.seeds == often[result.best.structure]
    assert result.trained.stderr is not None
    assert result.explanations["train"].endswith("2 to 8 seeds each")


def test_failures_are_counted_and_told_and_never_win(tmp_path: Path) -> None:
    trainer = FakeTrainer(
        lambda number: TrainedNumbers(None, 0.5, failure="RuntimeError: bad") if number in (0, 3) else None
    )
    result = search(config("train@1:5,train:5"), tmp_path / "r", trainer=trainer)
    failed = {trainer.trained[number][0] for number in (0, 3)}
    assert result.best.structure not in failed
    with opened(tmp_path / "r") as store:
        told = [text for _, kind, _, text in store.events() if kind == "failed"]
        assert told[0].startswith(
            "rung 1: train@1 failed for 2 of 5 candidates; the first: RuntimeError: bad, for Super"
        )
        assert [each.accuracy is None for each in trainings(store)[:5]] == [False] * 3 + [True] * 2


def test_where_all_fail_the_run_ends_and_tries_again_when_it_is_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    with pytest.raises(RunError, match=r"train@1 failed for 3 of 3 candidates; the first: no room"):
        search(config("train@1:3"), folder, trainer=FakeTrainer(lambda _: TrainedNumbers(None, 0, failure="no room")))
    again = FakeTrainer()
    assert resume(folder, trainer=again).trained is not None
    assert len(again.trained) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {}}, "nothing says how"),
        ({"ladder": (Rung("zen", 9, 1, 1),)}, "no rung that trains"),
        ({"ladder": (Rung("train", 9, 1, 1), Rung("zen", 9, 1, 1))}, "comes after one that trains"),
        ({"train_rounds": 3}, "for one rung"),
        ({"ladder": (Rung("train", 2, 1, 1),), "train_rounds": 3}, "fewer than 3 rounds"),
    ],
)
def test_what_cannot_train_is_refused_before_the_search(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search(replace(config(), **changes), tmp_path / "r", trainer=FakeTrainer())
    assert not (tmp_path / "r").exists()


def test_a_search_that_trains_needs_a_trainer_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"trainer=plainnet.engine.CandidateTrainer"):
        search(config(), tmp_path / "r")
    with pytest.raises(UsageError, match="give it a folder"):
        search(config(), trainer=FakeTrainer())
    with pytest.raises(UsageError, match="a sweep does not train"):
        sweep(config(), "params", [1e5, 2e5], tmp_path / "s")
    with pytest.raises(UsageError, match="train_rounds is -1"):
        config(train_rounds=-1)


def test_code_that_a_plan_names_is_run_by_nobody_without_trust(tmp_path: Path) -> None:
    plan = {
        **PLAN,
        "imports": ["/a/mine.py"],
        "data": {"type": "package.module.Data"},
        "hooks": [{"type": "b.py:Hook"}],
    }

    def stop(number: int) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(config("train:2", training=plan), tmp_path / "r", trainer=FakeTrainer(stop))
    with pytest.raises(UsageError, match=r"/a/mine.py, package.module.Data, b.py:Hook; look at it"):
        resume(tmp_path / "r", trainer=FakeTrainer())
    resume(tmp_path / "r", trainer=FakeTrainer(), trust=True)


def test_rounds_pick_what_the_trainings_before_promise_and_pick_it_again(tmp_path: Path) -> None:
    rounds = config("train:20", train_rounds=4)
    trainer = FakeTrainer()
    result = search(rounds, tmp_path / "whole", trainer=trainer)
    assert len({structure for structure, *_ in trainer.trained}) == len(trainer.trained) == 20
    best = max(trainer.trained, key=lambda each: accuracy_of(each[0], each[2], 5))
    assert result.best.structure == best[0]
    assert result.explanations["train"] == "rung 1: 20 picked in 4 rounds trained"
    with opened(tmp_path / "whole") as store:
        told = [text for _, kind, _, text in store.events() if kind == "round"]
    assert told == [
        "round 1 of 4: 5 candidates, spread over the features",
        *(f"round {number} of 4: 5 candidates, those that promise most" for number in (2, 3, 4)),
    ]

    def stop(number: int) -> None:
        if number == 7:
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        search(rounds, folder, trainer=FakeTrainer(stop))
    second = FakeTrainer()
    resume(folder, trainer=second)
    assert len(second.trained) == 13
    assert measures(folder) == measures(tmp_path / "whole")


def test_rounds_follow_a_rung_before_and_survive_accuracies_that_are_all_the_same(tmp_path: Path) -> None:
    trainer = FakeTrainer(lambda _: TrainedNumbers(0.5, 1.0))
    search(config("zen:30:1:1,train:12", train_rounds=3), tmp_path / "r", trainer=trainer)
    assert len({structure for structure, *_ in trainer.trained}) == 12
    with opened(tmp_path / "r") as store:
        among = {each.hash for each in store.measures() if each.rung == 1}
        assert {each.hash for each in store.measures() if each.rung == 2} < among
        told = [text for _, kind, _, text in store.events() if kind == "round"]
    assert "more than half of the accuracies are the same" in told[1]


def test_what_is_spread_is_far_apart() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.normal(size=(30, 3)) * 0.01 + centre for centre in ([0, 0, 0], [5, 0, 0], [0, 5, 0], [0, 0, 5])]
    )
    picks = _spread(x, [], 4)
    assert sorted(pick // 30 for pick in picks) == [0, 1, 2, 3]
    more = _spread(x, picks[:2], 2)
    assert sorted(pick // 30 for pick in [*picks[:2], *more]) == [0, 1, 2, 3]
    assert len(set(_spread(x, [3], 100))) == 100


def test_the_configuration_reads_back() -> None:
    first = config(train_rounds=0)
    assert SearchConfig.from_json(first.to_json()) == first
    old = json.loads(first.to_json())
    del old["training"], old["train_rounds"]  # of a run before there were any
    assert SearchConfig.from_json(json.dumps(old)) == replace(first, training={})


@pytest.mark.parametrize(
    "changes", [{}, {"ladder": (Rung("zen", 9, 1, 1), Rung("train", 12, 1, 1)), "train_rounds": 3}]
)
def test_the_page_says_how_to_make_the_run_again(tmp_path: Path, changes: dict[str, Any]) -> None:
    import click

    from plainnet.cli.search_config import config_from
    from plainnet.cli.search_options import search_options, train_options

    whole = replace(config(), **changes)
    search(whole, tmp_path / "r", trainer=FakeTrainer())
    with opened(tmp_path / "r") as store:
        facts = search_facts(store)
    assert "zennas-resnet-training.yaml" in facts["reproduce"]["notes"][0]
    assert [each["proxy"] for each in facts["rungs"][1:]] == [rung.proxy for rung in whole.ladder]
    assert "trained" in facts["rungs"][-1]["what"]
    plan = tmp_path / "zennas-resnet-training.yaml"
    plan.write_text(json.dumps({"_base_": "quick", **facts["configuration"]["training"]}))
    words = shlex.split(facts["reproduce"]["command"].replace(plan.name, str(plan)))[3:]
    command = train_options(search_options(click.Command("search", params=[click.Option(["--candidates"], type=int)])))
    options = command.make_context("search", words).params
    again = config_from("zennas-resnet", options.pop("candidates"), options)
    assert again.training.pop("train")["epochs"] == 5
    assert replace(again, training=PLAN) == whole


@pytest.mark.parametrize("change", ["rung = 0", "rung = 9", "proxy = 'train@x'", "proxy = 'train@99'", "scores = '[]'"])
def test_a_table_of_trainings_that_was_not_written_so_is_damaged(tmp_path: Path, change: str) -> None:
    search(config("train@1:1"), tmp_path / "r", trainer=FakeTrainer())
    connection = sqlite3.connect(tmp_path / "r" / "run.sqlite")
    connection.execute(f"UPDATE measures SET {change}")
    connection.commit()
    connection.close()
    reseal(tmp_path / "r" / "run.sqlite")
    with opened(tmp_path / "r") as store, pytest.raises(RunError, match="is damaged"):
        trainings(store)

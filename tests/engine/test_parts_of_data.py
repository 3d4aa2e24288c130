"""Filters, samplers and target makers: named parts of `data`, each counted or checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import LABELS, SAMPLES, make_trainer

from plainnet.configs import InvalidConfigError
from plainnet.engine import DataSource, Loader, MapSamples, TensorSamples
from plainnet.engine.data.filters import HasObjects, OfClasses, filtered
from plainnet.engine.data.pipeline import Pipeline
from plainnet.engine.data.samplers import ClassBalanced, Sampler, Share
from plainnet.engine.data.scenes import digits_scenes
from plainnet.engine.data.target_makers import ObjectCounts
from plainnet.engine.hooks.statistics import GradientStatistics
from plainnet.engine.run.dry_run import dry_run
from plainnet.engine.run.evaluation import evaluate
from plainnet.engine.run.rate_plan import planned_rates
from plainnet.errors import UsageError

HERE = str(Path(__file__))
SCENES = digits_scenes(target="boxes", train=12, val=6)
DATA = DataSource(SAMPLES, SAMPLES, classes=tuple("0123456789"), shape=(1, 8, 8))
TWICE = {"classes": torch.tensor([[1, 1, -1], [-1, -1, -1]])}


class LabelsWith:
    """A rule of one's own: odd labels, or small ones."""

    def __init__(self, *, odd: bool = False, below: int = 10) -> None:
        self.odd, self.below = odd, below

    def __call__(self, sample: Any) -> bool:
        label = int(sample["label"][0])
        return label < self.below and (label % 2 == 1 or not self.odd)


class Times:
    """A target maker of one's own."""

    def __init__(self, *, factor: int = 2) -> None:
        self.factor = factor

    def __call__(self, batch: Any) -> Any:
        return {"product": batch["label"] * self.factor}


class Backwards(Sampler):
    """A sampler of one's own."""

    def order(self, draw: torch.Generator) -> Any:  # noqa: ARG002
        return range(len(self.samples))[::-1]


def order_of(sampler: Any, epoch: int = 0, **options: Any) -> list[int]:
    """Which samples an epoch of batches of 8 holds."""
    numbered = TensorSamples(torch.zeros(50, 1, 1, 1), torch.arange(50))
    loader = Loader(numbered, batch_size=8, shuffle=True, sampler=sampler, **options)
    return [int(label) for batch in loader.at(epoch) for label in batch["label"]]


# ---- filters ----


def test_a_rule_counts_what_it_leaves_out() -> None:
    found = filtered(DATA, [("odd", "train", LabelsWith(odd=True)), ("few", "train", OfClasses(numbers=[1, 3]))])
    kept = [label for label in LABELS.tolist() if label in (1, 3)]
    assert found.train.fetch(range(len(kept)), [0] * len(kept))["label"].tolist() == kept
    even = sum(label % 2 == 0 for label in LABELS.tolist())
    expected = f"filters leave {len(kept)} of 50 training samples; left out by odd {even}, few {50 - even - len(kept)}"
    assert found.notes == (expected,)
    assert found.val is SAMPLES


@pytest.mark.parametrize("target", ["boxes", "masks"])
@pytest.mark.parametrize("name", ["0", "1", "7", "9"])
def test_classes_are_those_that_the_data_name(target: Any, name: str) -> None:
    """Scenes hold boxes, which count digits from 0, and masks, whose first class is the background."""
    data = digits_scenes(target=target, train=30, val=1)
    every = data.train.fetch(range(30), [0] * 30)
    wanted = int((every["classes"] == int(name)).any(1).sum())
    assert 0 < wanted < 30
    for rule in (OfClasses(names=[name]), OfClasses(numbers=[data.classes.index(name)])):
        found = filtered(data, [("rule", "train", rule)]).train
        batch = found.fetch(range(len(found)), [0] * len(found))
        assert len(found) == wanted
        assert bool((batch["classes"] == int(name)).any(1).all())


def test_a_class_that_the_data_do_not_have_is_told() -> None:
    for rule, message in (
        (OfClasses(names=["backgroun"]), "no class 'backgroun'; did you mean background"),
        (OfClasses(numbers=[11]), "class 11, of 11; accepted: 0 to 10, or their names"),
        (OfClasses(names=["?"]), "no class '\\?'; accepted: background, 0, 1"),
    ):
        with pytest.raises(UsageError, match=message):
            filtered(digits_scenes(train=1, val=1), [("rule", "train", rule)])
    with pytest.raises(UsageError, match="either names or numbers"):
        OfClasses()


def test_objects_are_counted_by_their_size() -> None:
    counts = [int((SCENES.train.fetch([i], [0])["classes"] >= 0).sum()) for i in range(12)]
    for least in (1, 2, 3):
        wanted = sum(count >= least for count in counts)
        if wanted:
            assert len(filtered(SCENES, [("rule", "train", HasObjects(least=least))]).train) == wanted
    with pytest.raises(UsageError, match="the filters leave no training sample of 12: left out by rule 12"):
        filtered(SCENES, [("rule", "both", HasObjects(side=1000))])


def test_a_run_filters_and_says_so(configured: Callable[..., Any]) -> None:
    plan = dry_run(configured(f"data.filters=[{{type: '{HERE}:LabelsWith', odd: true, part: train}}]"))
    (note,) = plan.notes
    assert note.startswith("filters leave 7")
    assert "of 1,437 training samples; left out by" in note
    assert "LabelsWith(odd=True), train" in str(plan.pieces.as_dict())


# ---- samplers ----


def test_an_epoch_is_another_share_each_time() -> None:
    epochs = [order_of(Share(SAMPLES, share=0.5), epoch) for epoch in range(3)]
    assert [len(set(epoch)) for epoch in epochs] == [25, 25, 25]
    assert epochs[0] != epochs[1]
    assert epochs[1] == order_of(Share(SAMPLES, share=0.5), 1)


@pytest.mark.parametrize("known", [True, False])
def test_classes_come_alike(known: bool) -> None:
    labels = torch.tensor([0] * 45 + [1] * 5)
    samples: Any = TensorSamples(torch.zeros(50, 1, 1, 1), labels)
    if not known:
        samples = MapSamples([(torch.zeros(1), label) for label in labels])
    counts = Counter(int(labels[number]) for number in order_of(ClassBalanced(samples, length=4000)))
    assert 1850 < counts[0] < 2150
    assert sum(counts.values()) == 4000


def test_a_sample_that_comes_twice_is_drawn_twice() -> None:
    loader = Loader(SAMPLES, batch_size=64, shuffle=True, sampler=ClassBalanced(SAMPLES, length=64))
    (batch,) = loader.at(0)
    assert len(set(batch["draw"].tolist())) == 64


def test_processes_share_what_a_sampler_draws() -> None:
    whole = order_of(ClassBalanced(SAMPLES))
    parts = [order_of(ClassBalanced(SAMPLES), rank=rank, processes=2) for rank in range(2)]
    assert Counter(parts[0] + parts[1]) == Counter(whole)
    assert parts[0][:4] + parts[1][:4] == whole[:8]


def test_a_run_counts_the_updates_of_its_sampler(configured: Callable[..., Any]) -> None:
    config = configured("data.sampler={type: ClassBalanced, length: 320}", "train.epochs=1")
    assert planned_rates(config).places == (0.0, 0.2, 0.4, 0.6, 0.8)  # five updates of 64, not 23
    assert order_of(Backwards(SAMPLES)) == list(range(50))[::-1]


def test_a_sampler_that_is_wrong_is_told() -> None:
    class Odd(Backwards):
        def order(self, draw: torch.Generator) -> Any:  # noqa: ARG002
            return [50] * 50

    class Short(Backwards):
        def order(self, draw: torch.Generator) -> Any:  # noqa: ARG002
            return [1]

    with pytest.raises(UsageError, match="Odd gave the number 50; accepted: 0 to 49"):
        order_of(Odd(SAMPLES))
    with pytest.raises(UsageError, match="Short gave 1 numbers, and its length is 50"):
        order_of(Short(SAMPLES))


# ---- target makers ----


def test_objects_become_counts() -> None:
    assert ObjectCounts(num_classes=3)(TWICE)["counts"].tolist() == [[0, 2, 0], [0, 0, 0]]
    with pytest.raises(UsageError, match="a class is 1; accepted: 0 to 0"):
        ObjectCounts(num_classes=1)(TWICE)


def test_targets_are_made_after_the_augmentations_and_never_replace() -> None:
    batch = {"image": torch.zeros(2, 1, 4, 4), "label": torch.tensor([1, 2])}
    assert Pipeline([], makers=[Times()])(batch)["product"].tolist() == [2, 4]
    with pytest.raises(UsageError, match="Times gives product, which the batch holds already"):
        Pipeline([], makers=[Times(), Times()])(batch)


def test_a_run_trains_and_is_judged_on_made_targets(trained: Callable[..., Any], tmp_path: Path) -> None:
    losses = "[{type: CrossEntropy}, {type: MultiMarginLoss, takes: [logits, product], name: made, weight: 0}]"
    limits = f"data.filters=[{{type: '{HERE}:LabelsWith', below: 5}}]"
    summary = trained(
        f"data.targets=[{{type: '{HERE}:Times'}}]",
        limits,
        f"task.losses={losses}",
        "train.epochs=1",
        "data.batch_size=512",
    )
    judged = evaluate(tmp_path / "run" / "best.safetensors")
    assert judged.metrics["made"] == pytest.approx(summary.metrics["val/made"], rel=1e-4)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.filters=[{type: HasObject}]", "did you mean HasObjects"),
        ("data.filters=[{type: HasObjects, part: test}]", "part"),
        ("data.filters=[{type: OfClasses, numbers: []}]", "numbers are"),
        ("data.filters=[{type: OfClasses, names: []}]", "names are"),
        ("data.filters=[{type: OfClasses, names: disc}]", "names"),
        ("data.filters=[{type: OfClasses, names: [a], numbers: [1]}]", "either names or numbers"),
        ("data.sampler={type: Share}", "share"),
        ("data.sampler={type: ClassBalance}", "did you mean ClassBalanced"),
        ("data.targets=[{type: ObjectCounts, num_classes: 0}]", "num_classes is 0"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(configured: Callable[..., Any], override: str, message: str) -> None:
    with pytest.raises(InvalidConfigError, match=message):
        configured(override)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "data.filters=[{type: torch.Size}]",
            "data.filters: torch.Size gave a Size, which cannot be called with a sample",
        ),
        (
            "data.targets=[{type: torch.Size}]",
            "data.targets: torch.Size gave a Size, which cannot be called with a batch",
        ),
        (f"data.sampler={{type: '{HERE}:AnySize'}}", "AnySize gave a Size, not a Sampler"),
    ],
)
def test_what_is_no_part_is_told(configured: Callable[..., Any], override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        dry_run(configured(override))


def AnySize(samples: Any) -> Any:  # noqa: ARG001
    return torch.Size()


# ---- the trainer ----


def test_a_trainer_is_printed_as_a_tree() -> None:
    trainer = make_trainer(hooks=[GradientStatistics()], clip_norm=2.0)
    assert repr(trainer).splitlines() == [
        "EpochBasedTrainer  2 epochs, device cpu, clip_norm 2.0",
        "├─ task  Classification",
        "│  ├─ model  Plain, 2,970 parameters",
        "│  └─ losses",
        "│     └─ ce  1 x CrossEntropy of logits, target",
        "├─ optimizer  SGD, 1 group, lr 0.1",
        "├─ scheduler  none",
        "├─ train  7 batches of 8",
        "├─ val  4 batches of 16",
        "└─ hooks",
        "   └─ GradientStatistics  priority 20",
    ]

"""Methods of a subclass that do not take what they are called with: told before anything is trained."""

from __future__ import annotations

from typing import Any

import pytest
from engine_models import Plain
from small import IMAGES, LABELS, make_trainer

from plainnet.engine import Classification, EpochBasedTrainer, Hook, IterBasedTrainer, SingleTester
from plainnet.engine.hooks.hook import EVENTS
from plainnet.engine.loop.tester import STEPS as TESTER_STEPS
from plainnet.engine.misspelled_methods import check_methods
from plainnet.engine.tasks.task import STEPS as TASK_STEPS
from plainnet.errors import UsageError


def mine(base: type, name: str, method: Any) -> Any:
    return type("Mine", (base,), {name: method})


def nothing(self: Any) -> None: ...
def too_much(self: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> None: ...


WRONG = [(nothing, r"\(\)"), (too_much, r"\(a, b, c, d, e, f\)")]


def few(name: str, base: type) -> bool:
    """Whether a method is called with nothing, so that one without parameters is right."""
    code = getattr(base, name).__code__
    return code.co_argcount == 1


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize("base", [EpochBasedTrainer, IterBasedTrainer, Hook])
def test_every_event_is_looked_at_before_the_training(base: type, name: str) -> None:
    for method, taken in WRONG[few(name, base) :]:
        kind = mine(base, name, method)
        options: dict[str, Any] = {"iterations": 2} if base is IterBasedTrainer else {}
        trainer = make_trainer(hooks=[kind()]) if base is Hook else make_trainer(kind=kind, **options)
        with pytest.raises(UsageError, match=rf"^Mine\.{name} takes {taken}; it is called with \("):
            trainer.fit()
        assert trainer.iteration == 0


@pytest.mark.parametrize(
    ("base", "names"),
    [(Classification, TASK_STEPS), (SingleTester, TESTER_STEPS)],
    ids=["task", "tester"],
)
def test_so_are_those_of_tasks_and_testers(base: type, names: Any) -> None:
    there = [name for name in names if hasattr(base, name)]
    assert there
    for name in there:
        for method, taken in WRONG[few(name, base) :]:
            with pytest.raises(UsageError, match=rf"Mine\.{name} takes {taken}"):
                check_methods(object.__new__(mine(base, name, method)), names)


def test_as_many_and_any_more_are_taken() -> None:
    class Loose(EpochBasedTrainer):
        def after_train_epoch(self, *given: Any) -> None:
            self.told = given

        def before_run(self, why: str = "") -> None:
            self.why = why

        @staticmethod
        def after_run() -> None:
            pass

    trainer: Any = make_trainer(kind=Loose, epochs=1)
    trainer.fit()
    assert len(trainer.told) == 1
    tester = SingleTester(device="cpu")
    tester.register_model(Classification(Plain(), losses=[]))
    tester.register_loader([{"image": IMAGES, "label": LABELS}])
    assert tester.run()

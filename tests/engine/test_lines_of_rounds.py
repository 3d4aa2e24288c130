"""The line that a round has on the console."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from plainnet.engine.hooks.console import ConsoleHook


@pytest.mark.parametrize(("is_terminal", "count"), [(True, 2), (False, 1)])
def test_a_terminal_breaks_the_line_between_words_and_a_file_has_it_whole(is_terminal: bool, count: int) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=is_terminal, color_system=None)
    hook = ConsoleHook(console, unit="epoch", rounds=1)
    trainer = SimpleNamespace(is_main=True, debug=True, iteration=0, rounds=1, rates=[0.00203])
    hook.before_run(trainer)  # type: ignore[arg-type]
    values = {"loss": 2.297, "accuracy": 0.3479}
    hook.after_epoch(trainer, values, values)  # type: ignore[arg-type]
    text = console.file.getvalue()  # type: ignore[attr-defined]
    told = "epoch 1/1  loss 2.297  accuracy 0.3479  | val  loss 2.297  accuracy 0.3479  | lr 0.00203  0:00  left 0:00"
    assert " ".join(text.split()) == " ".join(told.split())
    assert (len(text.splitlines()), max(map(len, text.splitlines())) <= 80) == (count, is_terminal)

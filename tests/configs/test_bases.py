"""Several bases: what a file says counts, what it inherits does not; lists are added to; the chain is told."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from plainnet.cli.config import config_command
from plainnet.configs import InvalidConfigError, read_file, to_plain
from tests.configs.models import read, values

ADAMW = "_base_: quick\noptim: {_delete_: true, type: AdamW, lr: 1e-3}\n"
SCHED = "_base_: quick\nschedule: {warmup: 5}\n"
OWN_OPTIM = {"type": "AdamW", "lr": 1e-3}


@pytest.mark.parametrize("order", ["adamw.yaml, sched.yaml", "sched.yaml, adamw.yaml"])
def test_a_base_resets_nothing_that_it_does_not_mention(tmp_path: Path, order: str) -> None:
    said = values(read(tmp_path, f"_base_: [{order}]\n", adamw=ADAMW, sched=SCHED))
    assert said["optim"] == OWN_OPTIM
    assert said["schedule"] == {"type": "cosine", "warmup": 5}
    assert said["epochs"] == 15


# files, the bases of the file, what optim is then
LAID_OVER: dict[str, tuple[dict[str, str], str, dict[str, Any]]] = {
    "the later says it": ({"a": "optim: {lr: 1}", "b": "optim: {lr: 2}"}, "a b", {"lr": 2}),
    "only the first says it": ({"a": "optim: {lr: 1}", "b": "epochs: 2"}, "a b", {"lr": 1}),
    "said, then inherited": (
        {"a": "optim: {lr: 1}", "b": "_base_: quick"},
        "a b",
        {"type": "SGD", "lr": 1, "momentum": 0.9},
    ),
    "inherited, then said": (
        {"a": "_base_: quick", "b": "optim: {lr: 1}"},
        "a b",
        {"type": "SGD", "lr": 1, "momentum": 0.9},
    ),
    "inherited from far": ({"a": "optim: {lr: 1}", "b": "_base_: c.yaml", "c": "optim: {lr: 2}"}, "a b", {"lr": 1}),
    "of two inherited": (
        {"a": "_base_: c.yaml", "b": "_base_: d.yaml", "c": "optim: {lr: 3}", "d": "optim: {lr: 4}"},
        "a b",
        {"lr": 4},
    ),
    "deleted, then said": (
        {"a": "_base_: quick\noptim: {_delete_: true, lr: 1}", "b": "optim: {k: 2}"},
        "a b",
        {"lr": 1, "k": 2},
    ),
    "said, then deleted": ({"a": "optim: {k: 2}", "b": "optim: {_delete_: true, lr: 1}"}, "a b", {"lr": 1}),
    "deleted by a file without a base": (
        {"a": "_base_: quick", "b": "optim: {_delete_: true, lr: 1}"},
        "a b",
        {"lr": 1},
    ),
    "said, and deleted far below": (
        {"a": "_base_: c.yaml\noptim: {k: 1}", "c": "optim: {_delete_: true, lr: 1}"},
        "quick a",
        {"type": "SGD", "lr": 0.1, "momentum": 0.9, "k": 1},
    ),
    "a diamond": (
        {"a": ADAMW, "b": "_base_: a.yaml\noptim: {k: 1}", "c": "_base_: a.yaml"},
        "b c",
        {**OWN_OPTIM, "k": 1},
    ),
}


@pytest.mark.parametrize(("files", "bases", "expected"), LAID_OVER.values(), ids=LAID_OVER)
def test_what_is_said_counts(tmp_path: Path, files: dict[str, str], bases: str, expected: dict[str, Any]) -> None:
    names = ", ".join(name if name == "quick" else f"{name}.yaml" for name in bases.split())
    assert values(read(tmp_path, f"_base_: [{names}]\n", **files))["optim"] == expected


def test_every_order_of_three_files_is_a_plain_overlay(tmp_path: Path) -> None:
    """Files without bases of their own are laid over each other in their order, key by key: a dict update."""
    files = {"a": {"x": 1, "y": 1}, "b": {"y": 2, "z": 2}, "c": {"x": 3, "z": 3}}
    for name, said in files.items():
        (tmp_path / f"{name}.yaml").write_text(json.dumps({"optim": said}))
    for order in itertools.permutations(files):
        path = tmp_path / "all.yaml"
        path.write_text(f"_base_: [{', '.join(f'{name}.yaml' for name in order)}]\n")
        expected: dict[str, int] = {}
        for name in order:
            expected |= files[name]
        assert to_plain(read_file(path, problems=[])) == {"optim": expected}


def test_a_base_that_lies_below_another_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=r"train.yaml:1:22: _base_: quick lies below adamw.yaml already"):
        read(tmp_path, "_base_: [adamw.yaml, quick]\n", adamw=ADAMW)
    assert values(read(tmp_path, "_base_: [quick, adamw.yaml]\n", adamw=ADAMW))["optim"] == OWN_OPTIM
    with pytest.raises(InvalidConfigError, match=r"quick lies below quick.yaml already"):
        read(tmp_path, "_base_: [quick, quick]\n")


def test_a_circle_of_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match=r"b.yaml:1:9: _base_: a.yaml is a base of itself"):
        read(tmp_path, "_base_: a.yaml\n", a="_base_: b.yaml\n", b="_base_: a.yaml\n")


@pytest.mark.parametrize("value", ["yes", "1", "'true'", "null", "[]"])
def test_delete_is_true_or_left_out(tmp_path: Path, value: str) -> None:
    with pytest.raises(InvalidConfigError, match=r"optim._delete_: is true, or left out"):
        read(tmp_path, f"_base_: quick\noptim: {{_delete_: {value}, lr: 1}}\n")


ADDED = [
    # what the file says, what the command line says, hooks
    ("hooks:\n  +: {type: A}", (), ["Q", "A"]),
    ("hooks:\n  +: {type: A}\n  +: {type: B}", (), ["Q", "A", "B"]),
    ("hooks.+: {type: A}\nhooks.+: {type: B}", (), ["Q", "A", "B"]),
    ("hooks:\n  0: {type: A}", (), ["A"]),
    ("hooks.0.type: A", (), ["A"]),
    ("hooks:\n  0: {type: A}\n  +: {type: B}", (), ["A", "B"]),
    ("hooks: {_delete_: true, +: {type: A}}", (), ["A"]),
    ("hooks:\n  +: {type: A}", ("hooks.+={type: B}", "hooks.1.type=C"), ["Q", "C", "B"]),
    ("hooks: []", ("hooks.+={type: B}",), ["B"]),
    ("hooks: null", ("hooks.+={type: B}",), ["B"]),
]


@pytest.mark.parametrize(("text", "overrides", "expected"), ADDED, ids=[f"{t}|{o}" for t, o, _ in ADDED])
def test_an_inherited_list_is_added_to(
    tmp_path: Path, text: str, overrides: tuple[str, ...], expected: list[str]
) -> None:
    config = read(tmp_path, f"_base_: quick\n{text}\n", *overrides)
    assert [hook["type"] for hook in values(config)["hooks"]] == expected


@pytest.mark.parametrize("text", ["losses: {+: {type: L1}}", "losses.+: {type: L1}", ""])
def test_a_list_that_nobody_has_written_is_its_default(tmp_path: Path, text: str) -> None:
    overrides = () if text else ("losses.+={type: L1}",)
    said = values(read(tmp_path, f"_base_: quick\n{text}\n", *overrides))
    assert said["losses"] == [{"type": "CrossEntropy"}, {"type": "L1"}]
    assert values(read(tmp_path, "", "losses.0.weight=2"))["losses"] == [{"type": "CrossEntropy", "weight": 2}]


def test_two_bases_add_to_one_list(tmp_path: Path) -> None:
    files = {name: f"_base_: quick\nhooks: {{+: {{type: {name}}}}}\n" for name in ("a", "b")}
    said = values(read(tmp_path, "_base_: [a.yaml, b.yaml]\nhooks.+: {type: c}\n", **files))
    assert [hook["type"] for hook in said["hooks"]] == ["Q", "a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "hooks: {3: {type: A}}",
            r"train.yaml:2:9: hooks.3: 3 is not a position in the list[\s\S]*positions are 0 to 0",
        ),
        ("hooks.7.type: A", r"train.yaml:2:1: hooks.7: 7 is not a position in the list"),
        ("optim: {lr: 1}\noptim.lr: 2", r"train.yaml:3:1: optim.lr: written twice, first on line 2"),
        ("optim.lrr.x: {a: 1}\noptim.lr: fast", r"train.yaml:3:11: optim.lr: must be a valid number"),
        ("epohs.x: 1", r"train.yaml:2:1: epohs: unknown key[\s\S]*did you mean epochs\?"),
    ],
)
def test_what_is_wrong_with_positions_and_dotted_keys(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidConfigError, match=message):
        read(tmp_path, f"_base_: quick\n{text}\n")


def test_the_chain_is_told(tmp_path: Path) -> None:
    text = "_base_: [adamw.yaml, sched.yaml]\noptim: {lr: 0.5}\nsizes: [1]\n"
    config = read(tmp_path, text, "optim.lr=0.25", adamw=ADAMW, sched=SCHED)
    entries = {entry.key: entry for entry in config.entries()}
    chain = [(value, Path(origin).name) for value, origin in entries["optim.lr"].over]
    assert entries["optim.lr"].value == 0.25
    assert chain == [(0.5, "train.yaml:2"), (1e-3, "adamw.yaml:2"), (0.1, "quick.yaml:2")]
    assert [Path(origin).name for _, origin in entries["optim.type"].over] == ["quick.yaml:2"]
    assert entries["schedule.type"].over == ()


def test_explain_shows_the_chain(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("_base_: quick\noptim: {lr: 0.5}\n")
    result = CliRunner().invoke(config_command, ["explain", str(tmp_path / "mine.yaml"), "optim.lr", "optim.lr=0.25"])
    lines = result.output.splitlines()
    assert lines[:3] == [
        "optim.lr = 0.25",
        "    from command line: optim.lr=0.25",
        f"    over 0.5 from {tmp_path / 'mine.yaml'}:2",
    ]
    assert lines[3].startswith("    over 0.1 from ")
    assert "quick.yaml:" in lines[3]

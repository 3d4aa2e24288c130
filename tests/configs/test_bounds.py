"""Bombs, and whatever else a text may be: bounded in size, depth, count and time; a value or a problem comes out."""

from __future__ import annotations

import dataclasses
import itertools
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import plainnet.configs.config
from plainnet.configs import Config, InvalidConfigError, read_config
from plainnet.configs.problems import ConfigProblem
from plainnet.configs.tree import to_plain
from plainnet.search.space.space_files import load_space
from tests.configs.models import QUICK, Train, read

LETTERS = "abcdefghijkl"
ANCHORS = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [{','.join(f'*{old}' for _ in range(7))}]\n" for old, new in itertools.pairwise(LETTERS)
)
TEXTS = "a0: xxxxxxxxxx\n" + "".join(f"a{i + 1}: '{f'${{a{i}}}' * 9}'\n" for i in range(12))
LISTS = "a0: [1, 1]\n" + "".join(f"a{i + 1}: [" + f"'${{a{i}}}'," * 9 + "]\n" for i in range(12))
NUMBERS = "a0: 99999999999\n" + "".join(f"a{i + 1}: ${{a{i}}} * ${{a{i}}}\n" for i in range(60))
COUNT = "more than 50,000 keys and values"
DEPTH = "more than 64 levels of mappings, lists and references inside each other"

BOMBS: dict[str, tuple[str, str]] = {
    "anchors": (ANCHORS, COUNT),
    "references in texts": (TEXTS, "more than 2,000,000 characters"),
    "references in lists": (LISTS, COUNT),
    "references to numbers": (NUMBERS, "is too large a number"),
    "a chain of references": ("".join(f"k{i}: ${{k{i + 1}}}\n" for i in range(3000)), DEPTH),
    "deep lists": ("a: " + "[" * 20000, DEPTH),
    "deep blocks": ("".join(" " * i + "a:\n" for i in range(300)), DEPTH),
    "deep JSON": ('{"a":' * 20000, DEPTH),
    "many values": ("a: [" + "1," * 60000 + "]", COUNT),
    "a large file": ("a: " + "x" * 1_000_001, "more than 1,000,000 bytes"),
    "unknown keys": ("".join(f"key_{i}: {i}\n" for i in range(20000)), r"20,000 problems[\s\S]*\.\.\. and 19,950 more"),
    "unknown references": ("".join(f"k{i}: ${{x{i}}}\n" for i in range(3000)), r"\.\.\. and 2,950 more"),
    "numbers that are none": ("optim: {" + ",".join(f"k{i}: .nan" for i in range(3000)) + "}", "and 2,950 more"),
    "a long number": ("epochs: " + "9" * 5000, "no value of its kind"),
}


@pytest.mark.parametrize(("text", "bound"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_meets_a_bound(tmp_path: Path, text: str, bound: str) -> None:
    started = time.process_time()
    with pytest.raises(InvalidConfigError, match=bound) as caught:
        read(tmp_path, text)
    assert time.process_time() - started < 20  # 0.2 to 5 s of processor time, 30 s and for ever before
    assert len(str(caught.value)) < 30_000


@pytest.mark.parametrize("name", ["anchors", "references in lists", "deep JSON"])
def test_a_space_is_bounded_too(tmp_path: Path, name: str) -> None:
    text, bound = BOMBS[name]
    (tmp_path / "space.yaml").write_text(text)
    with pytest.raises(InvalidConfigError, match=bound):
        load_space(tmp_path / "space.yaml")


def test_plain_data_and_overrides_are_bounded(tmp_path: Path) -> None:
    circle: dict[str, Any] = {}
    circle["a"] = circle
    with pytest.raises(InvalidConfigError, match=DEPTH):
        read_config(circle, Train)
    wide: list[Any] = [1] * 10
    for _ in range(10):
        wide = [wide] * 10
    with pytest.raises(InvalidConfigError, match=COUNT):
        read_config({"a": wide}, Train)
    for override in ("a=" + "[" * 9000, ".".join("a" * 9000) + "=1"):
        with pytest.raises(InvalidConfigError, match=r"64 levels|an override is written"):
            read(tmp_path, "epochs: 1\n", override)


def test_files_are_bounded_and_each_is_read_once(tmp_path: Path) -> None:
    """Thirty levels of two files that both name the two below would be a thousand million readings."""
    for level in range(30):
        for side in "ab":
            below = f"_base_: [a{level + 1}.yaml, b{level + 1}.yaml]\n" if level < 29 else ""
            (tmp_path / f"{side}{level}.yaml").write_text(f"{below}sizes.+: {level}\n")
    config = read_config({"_base_": str(tmp_path / "a0.yaml")}, Train)
    assert len(config.value.sizes) == 59
    for number in range(120):
        (tmp_path / f"c{number}.yaml").write_text(f"_base_: c{number + 1}.yaml\n")
    with pytest.raises(InvalidConfigError, match="more than 100 files"):
        read_config(tmp_path / "c0.yaml", Train)


VALID = [
    f"{QUICK}",
    "_base_: quick\noptim: {_delete_: true, type: AdamW, lr: 1e-3}\nhooks.+: {type: A}\nname: run-${epochs}-$${x}\n",
    "_base_: [quick]\nsizes: &s [1, 2, 3]\nhooks:\n  +: {sizes: *s}\noptim:\n  lr: ${epochs} / 640\n",
    '{"epochs": 3, "optim": {"lr": 0.5, "x": [1, {"y": null}]}, "name": "caf\\u00e9"}',
    "schedule: {a: .5, b: 0x10, c: 2020-01-01, d: !!str 5, e: 'it''s', f: |\n  text\n  more\n }\n# end\n",
]
PIECES = ["${", "}", "{{", ": ", "- ", "[", "]", "&a ", "*a", "!!x ", "_base_", "_delete_", "+", "\n", " ", "\t", "'"]
PIECES += ['"', "|", ".", "é", "\0", "<<", "=", "?", "%", "@", "nan"]


def mutated(generator: np.random.Generator) -> str:
    """A valid configuration with pieces cut out, doubled, replaced and put in."""
    text = VALID[int(generator.integers(len(VALID)))]
    for _ in range(int(generator.integers(1, 5))):
        start = int(generator.integers(0, len(text) + 1))
        end = min(len(text), start + int(generator.integers(0, 6)))
        piece = (PIECES[int(generator.integers(len(PIECES)))], text[start:end] * 2, "")[int(generator.integers(3))]
        text = text[:start] + piece + text[end:]
    return text


@pytest.mark.parametrize(
    "seeds", [range(300), pytest.param(range(300, 3000), marks=pytest.mark.tail)], ids=["short", "long"]
)
def test_any_text_is_a_configuration_or_says_what_is_wrong(tmp_path: Path, seeds: range) -> None:
    for seed in seeds:
        text = mutated(np.random.default_rng(seed))
        try:
            config = read(tmp_path, text)
        except InvalidConfigError as error:
            assert error.problems, text
            assert "train.yaml" in str(error), text
            continue
        (tmp_path / "again.yaml").write_text(config.dump())
        assert read_config(tmp_path / "again.yaml", Train).value == config.value, text


@pytest.mark.parametrize(
    "text",
    [
        "_base_: quick\noptim: {_delete_: true, type: AdamW, +: 1e-3}\n",
        "_base_: quick\noptim: {+: AdamW, lr: 1e-3}\n",
        "_base_: quick\noptim: {+: AdamW}\n",
        "_base_: quick\noptim.+: 3\n",
        "_base_: quick\n+: 3\n",
        "_base_: quick\nhooks:\n  +: {type: A, +: 1}\n",
    ],
)
def test_nothing_is_added_to_a_mapping(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidConfigError, match=r"\+ adds to a list, and .* is none|is not a position in the list"):
        read(tmp_path, text)


def test_what_is_wrong_is_left_out_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is checked further is the rest, with the places it had; work that grows by the square of the keys is not done."""
    copied, rests = [], []

    def replace(node: Any, **changes: Any) -> Any:
        copied.append(node)
        return dataclasses.replace(node, **changes)

    def further(config: Config[Train]) -> list[ConfigProblem]:
        rests.append((config.value, config.tree))
        return []

    monkeypatch.setattr(plainnet.configs.config, "replace", replace)
    text = {"epochs": 3, "sizes": [1, "x", 2, "y", 3, "z"], **{f"key_{number}": number for number in range(2_000)}}
    with pytest.raises(InvalidConfigError) as caught:
        read_config(text, Train, further=further)
    assert len(caught.value.problems) == 2_003
    ((value, tree),) = rests
    assert (value.epochs, value.sizes) == (3, [1, 2, 3])
    assert to_plain(tree) == {"epochs": 3, "sizes": [1, 2, 3]}
    assert len(copied) < 10

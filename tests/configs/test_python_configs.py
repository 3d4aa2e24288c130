"""Configurations in Python are read as the same in YAML, and run nothing."""

from __future__ import annotations

import copy
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from plainnet.cli.main import cli
from plainnet.configs import InvalidConfigError, dump_python, dump_values, read_config, read_python, read_text, to_plain
from plainnet.engine.run.schema import TrainConfig, recipes


def plain(text: str) -> Any:
    problems: list[Any] = []
    tree = read_python(text, "mine.py", problems=problems)
    assert problems == []
    return to_plain(tree)


def problem(text: str) -> str:
    problems: list[Any] = []
    read_python(text, "mine.py", problems=problems)
    return "\n".join(map(str, problems))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a = 1\nb: float = -2.5\nc = True\nd = None", {"a": 1, "b": -2.5, "c": True, "d": None}),
        ("'''What it is.'''\na = dict(b=dict(c='x'))", {"a": {"b": {"c": "x"}}}),
        ("a = {'b': (1, 2), 'c-d': []}", {"a": {"b": [1, 2], "c-d": []}}),
        ("_w = 64\na = dict(lr=0.1 * _w / 256, n=7 // 2 % 2)", {"a": {"lr": 0.025, "n": 1}}),
        ("a = dict(b=1)\nc = dict(a, d=a.b + 1)", {"a": {"b": 1}, "c": {"b": 1, "d": 2}}),
        ("_o = dict(x=1)\na = dict(**_o, y=2)\nb = {**_o, 'x': 3}", {"a": {"x": 1, "y": 2}, "b": {"x": 3}}),
        ("a = dict(b=1)\na.c = 2\na['b'] = [1, 2]\na.b[0] = 9", {"a": {"b": [9, 2], "c": 2}}),
        ("_l = [1]\na = [*_l, 2] + [3]\nb = f'{_l[0]}x' + 'y'", {"a": [1, 2, 3], "b": "1xy"}),
        ("a = float('inf')\nb = not True", {"a": float("inf"), "b": False}),
        ("from torch.optim import AdamW as A\nimport torch\na = [A, torch.nn.Linear]",
         {"a": ["torch.optim.AdamW", "torch.nn.Linear"]}),
        ("_base_ = 'quick'\na = _base_.optim.lr", {"_base_": "quick", "a": "${optim.lr}"}),
        ("from mmengine.config import read_base\nwith read_base():\n    from ..one.two import *", {"_base_": ["../one/two.py"]}),
    ],
)  # fmt: skip
def test_what_is_read(text: str, values: Any) -> None:
    assert plain(text) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = open('/etc/passwd')", "mine.py:1:5: nothing is called but dict(...)"),
        ("a = __import__('os').system('x')", "nothing is called but dict"),
        ("a = ().__class__.__bases__", "there is no '__class__' in it"),
        ("a = [x for x in (1, 2)]", "ListComp means nothing here"),
        ("a = lambda: 1", "Lambda means nothing here"),
        ("for a in (1,): pass", "For means nothing here"),
        ("def f(): pass", "FunctionDef means nothing here"),
        ("import os.path as p\nos.system('x')", "mine.py:2:1: a configuration is read and not run, and Expr"),
        ("from .other import *", 'write _base_ = ["other.py"]'),
        ("from os import *", "import * means nothing here"),
        ("with open('x') as f: pass", "with means nothing here"),
        ("a = dict(b=1)\nc = a.d", "mine.py:2:5: there is no 'd' in it"),
        ("width = 3\na = widht", "did you mean width?"),
        ("a = 9 ** 9 ** 9", "is not done here"),
        ("a = 1e300 * 1e300", "is too large a number"),
        ("a = 'x' * 1000000000", "arithmetic is done with numbers"),
        ("a = 1 / 0", "divides by zero"),
        ("a = b'x'", "a bytes means nothing here"),
        ("a = {1: 2}", "a key is a text"),
        ("a = {'b': 1, 'b': 2}", "b is written twice"),
        ("a = f'{1:>100000000}'", "without formats"),
        ("a, b = 1, 2", "is nothing that a value can be assigned to"),
        ("a = (", "not valid Python"),
        ("a = \0", "not valid Python"),
        ("é = 'ü'; a = dict(b=ü)", "mine.py:1:21: there is no ü before"),
    ],
)
def test_what_is_not_read_is_told_with_its_place(text: str, said: str) -> None:
    assert said in problem(text)


@pytest.mark.parametrize(
    "text",
    [
        "a = 'x' * 10\n" + "\n".join(["a = dict(b=a, c=a)"] * 40),
        "a = ['x']\n" + "\n".join(["a = [*a, *a]"] * 40),
        "a = 'xxxxxxxxxx'\n" + "\n".join(["a = a + a"] * 60),
        "a = " + "[" * 3000 + "]" * 3000,
        "a = " + "-" * 5000 + "1",
        "a = " + "+".join(["1"] * 20000),
        "a = x" + ".x" * 20000,
        "a = 1 #" + "x" * 1_000_001,
    ],
)
def test_a_bomb_meets_a_bound(text: str) -> None:
    began = time.process_time()
    text = text.replace("'x' * 10", "'xxxxxxxxxx'")
    assert problem(text)
    assert time.process_time() - began < 5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(["a", "b", "optim"]), VALUES, max_size=3))
def test_both_dumps_read_back(values: dict[str, Any]) -> None:
    """`${` is written `$${`, as a reference is resolved later."""
    from plainnet.configs import resolve

    for text, read in ((dump_python(values), read_python), (dump_values(values), read_text)):
        problems: list[Any] = []
        tree = resolve(read(text, "x", problems=problems), problems=problems)
        assert (to_plain(tree), problems) == (values, [])


def test_a_configuration_in_python_is_the_one_in_yaml(tmp_path: Path) -> None:
    (tmp_path / "common.yaml").write_text("seed: 3\n")
    (tmp_path / "mine.py").write_text(
        "_base_ = ['quick', 'common.yaml']\noptim = dict(_delete_=True, type='AdamW', lr=1e-3)\n"
        "hooks = [dict(type='StepTimer')]\n"
    )
    (tmp_path / "over.yaml").write_text("_base_: mine.py\ntrain: {epochs: 2}\n")
    config = read_config(tmp_path / "over.yaml", TrainConfig, named=recipes())
    assert config.origin(("optim", "lr")).endswith("mine.py:2")
    assert (config.optim.lr, config["optim"]["lr"], config.seed, config.hooks[0].type) == (1e-3, 1e-3, 3, "StepTimer")
    for form in ("yaml", "python"):
        file = tmp_path / f"again.{'py' if form == 'python' else 'yaml'}"
        file.write_text(config.dump(form=form))
        assert read_config(file, TrainConfig).plain() == config.plain()
    with pytest.raises(AttributeError, match="there is no key optmi; did you mean optim"):
        config.optmi  # noqa: B018
    with pytest.raises(KeyError, match="did you mean lr"):
        config["optim"]["lrr"]
    assert copy.deepcopy(config).optim.lr == pickle.loads(pickle.dumps(config)).optim.lr == 1e-3


def test_a_wrong_value_is_told_where_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("_base_ = 'quick'\ntrain = dict(epochs='many')\n")
    with pytest.raises(InvalidConfigError, match=r"mine\.py:2:21: train\.epochs: (.|\n)*\^{6}"):
        read_config(file, TrainConfig, named=recipes())


def test_commands_take_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("_base_ = 'quick'\noptim = dict(lr=0.05)\n")
    shown = CliRunner().invoke(cli, ["config", "show", str(file), "--python"])
    assert "    lr=0.05,  # " in shown.output
    assert plain(shown.output)["optim"]["lr"] == 0.05
    tried = CliRunner().invoke(
        cli, ["train", str(file), "--dry-run", "train.epochs=1", "device=cpu", f"run={tmp_path}/r"]
    )
    assert (tried.exit_code, "lr=0.05" in tried.output) == (0, True)


def test_any_corruption_is_read_or_told() -> None:
    """One character removed, doubled or replaced, anywhere: values, or problems with places, and no other exception."""
    text = "from a.b import C\n_base_ = ['quick']\n_w = {'x': (1, -2.5)}\n"
    text += "a = dict(b=C, **_w, d=f'{_w[\"x\"][0]}' + '\\d')\na.b = 3 % 2\n"
    for place in range(len(text)):
        for new in ("", text[place] * 2, "(", "'", "\n", ".", "0", "\t", "é", "\\", "1is"):
            problems: list[Any] = []
            read_python(text[:place] + new + text[place + 1 :], "mine.py", problems=problems)
            "\n".join(map(str, problems))

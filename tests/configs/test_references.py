"""Arithmetic in references, and the syntax of other tools pointed out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainnet.configs import InvalidConfigError
from plainnet.configs.arithmetic import calculate, looks_like_arithmetic
from tests.configs.models import read

BASE = "epochs: 64\noptim: {lr: 0.5, word: fast, none: null, yes: true, big: 1e200}\nsizes: [3]\n"

CALCULATED: list[tuple[str, Any]] = [
    ("${epochs} / 640", 0.1),
    ("${epochs} // 10", 6),
    ("0.1 * ${epochs} / 256", 0.1 * 64 / 256),
    ("(${epochs} + ${optim.lr}) * 2", 129.0),
    ("- ${epochs} - 1", -65),
    ("${epochs} % 10 - ${sizes.0}", 1),
    ("2 * ${optim.lr}", 1.0),
    ("1e-3 * ${epochs}", 0.064),
    # text stays text
    ("${epochs}/640", "64/640"),
    ("runs/${epochs} - 1", "runs/64 - 1"),
    ("${optim.word} - ${epochs}", "fast - 64"),
    ("${optim.yes} - 1", "True - 1"),
    ("${epochs}-${sizes.0}", "64-3"),
    ("$${epochs} / 2", "${epochs} / 2"),
    ("64 / 640", "64 / 640"),  # no reference: what is written is what is meant
]


@pytest.mark.parametrize(("text", "expected"), CALCULATED, ids=[text for text, _ in CALCULATED])
def test_numbers_with_operators_between_them_are_calculated(tmp_path: Path, text: str, expected: Any) -> None:
    value = read(tmp_path, f"{BASE}schedule: {{x: '{text}'}}\n").value.schedule.model_extra
    assert value == {"x": expected}
    assert value is not None
    assert type(value["x"]) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${epochs} / 0", "divides by zero"),
        ("${epochs} ** 2", r"is not done here; accepted: \+ - \* / // % and brackets"),
        ("${epochs} * / 2", "is no expression"),
        ("(${epochs} + 1", "is no expression"),
        ("${optim.big} * ${optim.big}", "is too large a number"),
        ("${epochs", r"a reference is written \$\{key\}"),
        ("${a${epochs}}", r"there is no key|a reference is written"),
        ("${epoch} / 2", r"there is no key epoch to refer to[\s\S]*did you mean \$\{epochs\}\?"),
        ("${schedule.x} / 2", "references in a circle"),
    ],
)
def test_arithmetic_that_is_none(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidConfigError, match=rf"train.yaml:4:15: schedule.x: .*{message}"):
        read(tmp_path, f"{BASE}schedule: {{x: '{text}'}}\n")


def test_a_result_takes_part_in_further_arithmetic(tmp_path: Path) -> None:
    text = "epochs: 64\nschedule: {a: '${epochs} / 2', b: '${schedule.a} + 1', c: 'x${schedule.b}'}\n"
    assert read(tmp_path, text).value.schedule.model_extra == {"a": 32.0, "b": 33.0, "c": "x33.0"}


expressions = st.recursive(
    st.integers(-99, 99).map(lambda n: f"({n})") | st.floats(0.01, 99).map(repr),
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
        lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
    ),
    max_leaves=8,
)


@given(expressions)
def test_arithmetic_is_pythons(text: str) -> None:
    try:
        expected = eval(text)
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="divides by zero"):
            calculate(text)
        return
    if abs(expected) < 1e300:
        assert calculate(text) == expected


@given(st.text("0123456789.eE_()*/%+- ", max_size=40))
def test_any_expression_is_a_finite_number_or_an_error(text: str) -> None:
    if looks_like_arithmetic(text):
        try:
            assert math.isfinite(calculate(text))
        except ValueError as error:
            assert str(error)


FOREIGN = [
    ("name: '{{_base_.name}}'", "name", r"\{\{_base_.name\}\} is another tool's[\s\S]*write \$\{key\}"),
    ("name: 'a {{ fileBasename }}'", "name", r"another tool's"),
    ("name: '{% if x %}'", "name", r"another tool's"),
    ("name: {{_base_.name}}", "name", r"a key is a plain word[\s\S]*write \$\{key\}"),
    ("name: ${_base_.name}", "name", r"there is no key _base_.name[\s\S]*write \$\{name\}"),
    ("name: ${oc.env:HOME}", "name", r"environment variables are not read"),
    ("name: ${env:HOME}", "name", r"environment variables are not read"),
    ("name: ${now:%Y}", "name", r"a reference is the dotted name of a key"),
    ("name: $HOME/images", "name", r"\$HOME means nothing here[\s\S]*environment variables are not read"),
    ("name: !include other.yaml", "name", r"the tag !include means nothing here[\s\S]*_base_: other.yaml"),
    ("name: !!python/object/apply:os.system [x]", "name", r"the tag !!python/object/apply:os.system means nothing"),
    ("name: !env HOME", "name", r"environment variables are not read"),
    ("<<: {name: x}", "", r"a key is a plain word[\s\S]*write _base_"),
    ("optim: {_target_: torch.optim.SGD}", "optim._target_", r"means nothing here[\s\S]*write type"),
    ("optim: {_scope_: mmcv}", "optim._scope_", r"means nothing here"),
    ("optim: {_base_: quick}", "optim._base_", r"is known at the top of a file alone"),
    ("_BASE_: quick.yaml", "_BASE_", r"means nothing here[\s\S]*write _base_"),
    ("optim: {lr: .nan}", "optim.lr", r"must be a finite number, got nan"),
    ("optim: {other: -.inf}", "optim.other", r"must be a finite number, got -inf"),
    ("optim: {other: 1e999}", "optim.other", r"must be a finite number, got inf"),
    ("optim: {lr: nan}", "optim.lr", r"finite number"),
    ("optim: {other: [[1, .nan]]}", "optim.other.0.1", r"must be a finite number"),
]


@pytest.mark.parametrize(("text", "key", "message"), FOREIGN, ids=[text for text, *_ in FOREIGN])
def test_what_is_foreign_is_pointed_out(tmp_path: Path, text: str, key: str, message: str) -> None:
    with pytest.raises(InvalidConfigError, match=message) as caught:
        read(tmp_path, f"{text}\n")
    assert key in [problem.key for problem in caught.value.problems]
    assert all(problem.place is not None for problem in caught.value.problems)


@pytest.mark.parametrize("override", ["optim.lr=.nan", "optim.x=-.inf", "optim.x=[1e400]"])
def test_the_command_line_is_finite_too(tmp_path: Path, override: str) -> None:
    with pytest.raises(InvalidConfigError, match=r"command line:1:\d+: optim.*: must be a finite number"):
        read(tmp_path, "epochs: 1\n", override)

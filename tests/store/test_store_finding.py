"""Conditions: the SQL says what the same tree says on the records in Python, and a text that is none says why."""

from __future__ import annotations

import ast
import gc
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plainnet.errors import UsageError
from plainnet.store.finding import find
from plainnet.store.index import words_of
from plainnet.store.keeping import keep
from plainnet.store.record import Cost, Data, Metric, Output, Record, Training
from plainnet.store.record_fields import ALIASES, LISTS, columns, metric_values, short_names, value_at
from tests.store.conftest import small_record, write_small

OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


WORDS: list[Any] = [["cat", 3, True], "cats", {"cat": ["m"], "m": None}, [3.5, "ca", "[", None, ["cat"]]]


def records() -> list[Record]:
    """Networks that differ in what is known of them."""
    made = []
    for number, name in enumerate(["resnet18", "resnet50", "mobile", "own"]):
        metric = Metric(
            dataset=["digits", None][number % 2],
            split="val",
            name="accuracy",
            value=[0.5, 0.9, None, 0.7][number],
            better="higher",
        )
        record = small_record(
            name,
            ["r8", "r224"][number % 2],
            cost=Cost(params=[None, 10, 2000, 10][number], macs=[5, None, 7, 10][number]),
            training=Training(optimizer=["SGD", None, "AdamW", "SGD"][number], epochs=[None, 1.0, 2.5, 10.0][number]),
            outputs=[Output(head="head", channels=2, classes=[["cat", "dog"], ["dog"], ["0"], []][number])],
            extra=[{"size": 3, "kind": "a", "flag": True}, {"size": "large"}, {}, {"size": 3.5}][number]
            | {"half": [7, "m", 2, 3.5][number], "two": 2, "words": WORDS[number]},
            identity={
                "tags": [["imagenet"], [], ["imagenet", "small"], ["small"]][number],
                "task": ["cls", "seg"][number % 2],
            },
        )
        extra_metric = Metric(dataset="digits", split="train", name="loss", value=float(number), better="lower")
        data = Data(name=["digits", None, "cifar10", "digits"][number])
        made.append(record.model_copy(update={"data": data, "metrics": [metric, extra_metric]}))
    return made


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    for record in records():
        keep(root, record, write_small)
    return root


class Oracle:
    """The condition on a record in Python: None is neither true nor false."""

    def __init__(self, record: Record) -> None:
        self.data, self.metrics = record.as_dict(), metric_values(record.metrics)

    def __call__(self, node: ast.expr) -> Any:
        if isinstance(node, ast.BoolOp):
            found = [self(each) for each in node.values]
            deciding = isinstance(node.op, ast.Or)
            return deciding if deciding in found else None if None in found else not deciding
        if isinstance(node, ast.UnaryOp):
            value = self(node.operand)
            return (
                None
                if value is None or isinstance(value, str)
                else not value
                if isinstance(node.op, ast.Not)
                else -value
            )
        if isinstance(node, ast.BinOp):
            left, right = self(node.left), self(node.right)
            if (
                None in (left, right)
                or str in (type(left), type(right))
                or (isinstance(node.op, ast.Div) and right == 0)
            ):
                return None
            return left / right if isinstance(node.op, ast.Div) else OPERATORS[type(node.op)](left, right)
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            pairs = zip(node.ops, operands[:-1], operands[1:], strict=True)
            found = [self.compare(op, left, right) for op, left, right in pairs]
            return False if False in found else None if None in found else True
        if isinstance(node, ast.Tuple | ast.List):
            return [self(each) for each in node.elts]
        return node.value if isinstance(node, ast.Constant) else self.named(ast.unparse(node))

    def compare(self, op: ast.cmpop, left_node: ast.expr, right_node: ast.expr) -> bool | None:
        left, right = self(left_node), self(right_node)
        if isinstance(op, ast.Is | ast.IsNot):
            return (left is None) == isinstance(op, ast.Is)
        if left is None or right is None:
            return None
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, list | dict) and (isinstance(left, str), isinstance(right, str)) != (True, True):
                return None  # nothing is in a number, and no number in a text
            if isinstance(right, dict) and not isinstance(left, str):
                return None
            return (left in right) == isinstance(op, ast.In)
        if isinstance(left, str) != isinstance(right, str):  # of a field of any type: it is not of this one
            return None
        return bool(OPERATORS[type(op)](left, right))

    def named(self, words: str) -> Any:
        if words in LISTS:
            return words_of(self.data, words)
        place = words if words in columns() else short_names().get(words)
        if place is not None:
            return value_at(self.data, place)
        if words.startswith("extra."):
            return value_at(self.data, words)
        last = words.rpartition(".")
        return self.metrics.get(f"{last[0]}{last[1]}{ALIASES.get(last[2], last[2])}")


numbers = st.sampled_from(["0.7", "10", "-1", "params", "macs", "acc", "train.loss", "digits.val.accuracy", "epochs"])
terms = numbers | st.builds(lambda a, op, b: f"({a} {op} {b})", numbers, st.sampled_from("+-*/"), numbers)
texts = st.sampled_from(["name", "task", "optimizer", "data.name", "'res'", "'SGD'", "'cls'", "tag"])
comparisons = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
anything = st.sampled_from(["params", "acc", "optimizer", "extra.size"])
free = st.sampled_from(["extra.size", "extra.half", "extra.two", "extra.kind", "extra.none"])
words = st.sampled_from(["cat", "ca", "m", "[", '"cat"', "3", "true"])
atoms = (
    st.builds(lambda a, op, b: f"{a} {op} {b}", terms, comparisons, terms)
    | st.builds(lambda a, op, b, op2, c: f"{a} {op} {b} {op2} {c}", numbers, comparisons, numbers, comparisons, numbers)
    | st.builds(lambda a, op, b: f"{a} {op} {b}", texts, comparisons, texts)
    | st.builds(lambda a, op, b: f"{a} {op} {b}", texts, st.sampled_from(["in", "not in"]), texts)
    | st.builds(lambda a, op: f"{a} {op} ('SGD', 'cls', 'own')", texts, st.sampled_from(["in", "not in"]))
    | st.builds(lambda a, op: f"{a} {op} [10, 0.9, 2000]", numbers, st.sampled_from(["in", "not in"]))
    | st.builds(lambda a, op, b: f"{a} {op} {b}", texts, st.sampled_from(["in", "not in"]), st.sampled_from(sorted(LISTS)))
    | st.builds(lambda a, op: f"{a} {op} None", anything, st.sampled_from(["is", "is not"]))
    | st.sampled_from(["extra.size > 3", "extra.size == 'large'", "extra.kind == 'a'", "'a' in extra.kind"])
    | st.sampled_from(["extra.size * 2 == 7", "extra.half / extra.two == 3.5", "extra.half / 2 > 1", "-extra.half < -3"])
    | st.builds(lambda a, op, b: f"{a} {op} {b}", free, comparisons, free)
    | st.builds(lambda a, op: f"{a} {op} extra.words", texts | numbers, st.sampled_from(["in", "not in"]))
    | st.builds(lambda a, op: f"'{a}' {op} extra.words", words, st.sampled_from(["in", "not in"]))
    | st.builds(lambda a, op: f"{a} {op} (-1, 3, 3.5, 7)", free | numbers, st.sampled_from(["in", "not in"]))
)  # fmt: skip
conditions = st.recursive(
    atoms,
    lambda inner: (
        st.builds(lambda a, op, b: f"({a}) {op} ({b})", inner, st.sampled_from(["and", "or"]), inner)
        | st.builds(lambda a: f"not ({a})", inner)
    ),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(condition=conditions)
def test_the_index_finds_what_the_condition_says_of_the_records(filled: Path, condition: str) -> None:
    tree = ast.parse(condition, mode="eval").body
    expected = sorted(record.identity.name for record in records() if Oracle(record)(tree) is True)
    assert sorted(found.name for found in find(filled, condition)[0]) == expected


def test_tags_and_parts(filled: Path) -> None:
    def names(*arguments: Any, **options: Any) -> set[str]:
        return {found.name for found in find(filled, *arguments, **options)[0]}

    assert names(tags=["imagenet"]) == {"resnet18", "mobile"}
    assert names(tags=["imagenet", "small"]) == {"mobile"}
    assert names(part="head") == names()
    assert names(part="neck") == set()
    assert names('"network" in parts') == names()
    assert names('task == "cls" and acc > 0.4', tags=["imagenet"]) == {"resnet18"}
    assert names("architecture is None") == names()


WRONG = {
    'tsk == "cls"': "did you mean task",
    "accurcy > 1": "did you mean accuracy",
    "__import__('os')": "not accepted here",
    "name.upper() == 'A'": "not accepted here",
    "(lambda: 1)()": "not accepted here",
    "[x for x in tags]": "not accepted here",
    "name[0] == 'a'": "not accepted here",
    "f'{name}' == 'x'": "not accepted here",
    "name if acc else tag": "not accepted here",
    "(x := 3) > 2": "not accepted here",
    "params ** 2 > 4": "not accepted here",
    "params > b'x'": "not accepted here",
    "params > 3j": "not accepted here",
    "name == 'a\\x00b'": "not accepted here",
    "name == '\\ud800'": "not accepted here",
    "task > 5": "it is a text, and is compared with a number",
    "acc == 'x'": "it is a number, and is compared with a text",
    "params == True": "true or false",
    "-name > 3": "accepted: a number",
    "name": "a condition is true or false",
    "params": "a condition is true or false",
    "tags == 'x'": "it is a list",
    "1 in tags": "are texts",
    "'x' in params": "nothing is in a number",
    "name in (1, 'a')": "holds what is not a text",
    "name in (tag, 'a')": "a list holds numbers or texts",
    "acc in ()": "empty",
    "acc is 3": "accepted: FIELD is None",
    "1e999 > acc": "no finite number",
    "acc > ": "is no condition",
    "": "is no condition",
    "a b": "is no condition",
    "import os": "is no condition",
    "acc > 1; acc > 2": "is no condition",
    "(" * 3000: "accepted: 2000",
    "(" * 500 + "acc": "is no condition",
    "not " * 300 + "acc > 1": "nested more than",
    "acc > " + "-" * 300 + "1": "nested more than",
}


@pytest.mark.parametrize("condition", WRONG)
def test_what_is_no_condition_says_why(filled: Path, condition: str) -> None:
    with pytest.raises(UsageError) as caught:
        find(filled, condition)
    assert WRONG[condition] in str(caught.value)
    assert len(str(caught.value)) < 500


def test_nothing_of_a_text_becomes_sql(filled: Path) -> None:
    for text in ["x' OR '1'='1", '"; DROP TABLE networks; --', "%", "_", "?", "\\"]:
        assert find(filled, f"name == {text!r}")[0] == []
        assert find(filled, f"{text!r} in tags")[0] == []
        assert find(filled, f"{text!r} in name")[0] == []
    assert len(find(filled)[0]) == 4


def test_an_empty_store_finds_nothing(tmp_path: Path) -> None:
    assert find(tmp_path / "nothing", "acc > 0.7") == ([], [])
    assert not (tmp_path / "nothing").exists()


def test_finding_does_not_read_the_records(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes it quick: a look at the folders of tasks, and one question to the index."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("read")

    find(filled)
    monkeypatch.setattr("plainnet.store.index.read_record", refuse)
    assert len(find(filled, "acc > 0.4 or params > 1")[0]) == 4


def test_the_garbage_collector_is_as_it_was(put: Callable[..., Any], root: Path) -> None:
    put("net")
    for was in (True, False):
        (gc.enable if was else gc.disable)()
        try:
            assert len(find(root, "acc > 0.1")[0]) == 1
            with pytest.raises(UsageError):
                find(root, "acc >")
            assert gc.isenabled() is was
        finally:
            gc.enable()

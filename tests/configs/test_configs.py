"""Reading, inheriting, overriding, referring to and dumping configurations."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from plainnet.configs import InvalidConfigError, dump_values, read_config, read_text, to_plain


class Optim(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["SGD", "Adam"] = "SGD"
    lr: float = Field(0.1, gt=0, description="Learning rate.")
    momentum: float = 0.9


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class Train(BaseModel):
    model_config = ConfigDict(extra="forbid")
    epochs: int
    optim: Optim = Optim()
    name: str = "run"
    hooks: list[Loose] = []
    sizes: list[int] = []


def read(folder: Path, text: str, *overrides: str, **files: str) -> Any:
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    (folder / "train.yaml").write_text(text)
    return read_config(folder / "train.yaml", Train, overrides=overrides, named={"quick": folder / "shipped.yaml"})


def test_values_and_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, "epochs: 3\noptim: {lr: 1e-3}\n")
    assert config.value.epochs == 3
    assert config.value.optim == Optim(lr=1e-3)
    assert config.origin(("optim", "lr")).endswith("train.yaml:2")
    assert config.origin(("optim", "momentum")) == "default"


def test_bases_merge_in_order_and_delete_forgets(tmp_path: Path) -> None:
    shipped = "epochs: 1\noptim: {type: Adam, lr: 0.5, momentum: 0.1}\nname: shipped\n"
    other = "name: other\noptim: {lr: 0.25}\n"
    config = read(tmp_path, "_base_: [quick, other.yaml]\nepochs: 2\n", shipped=shipped, other=other)
    assert config.value == Train(epochs=2, optim=Optim(type="Adam", lr=0.25, momentum=0.1), name="other")
    assert config.origin(("optim", "lr")).endswith("other.yaml:2")
    config = read(tmp_path, "_base_: quick\noptim: {_delete_: true, lr: 2.0}\n", shipped=shipped)
    assert config.value.optim == Optim(lr=2.0)


def test_references_keep_their_type_and_work_inside_text(tmp_path: Path) -> None:
    text = "epochs: 7\nname: run-${epochs}-${optim.lr}-$${x}\noptim: {lr: 0.5, momentum: '${optim.lr}'}\nsizes: ['${epochs}']"
    value = read(tmp_path, text).value
    assert (value.name, value.optim.momentum, value.sizes) == ("run-7-0.5-${x}", 0.5, [7])


def test_a_default_can_be_referred_to(tmp_path: Path) -> None:
    text = "epochs: 1\nname: ${optim.type}-${optim.lr}-${name2}\noptim: {lr: 0.5, momentum: '${optim.lr}'}\n"
    with pytest.raises(InvalidConfigError, match=r"there is no key name2 to refer to[\s\S]*did you mean \$\{name\}"):
        read(tmp_path, text)
    value = read(tmp_path, text.replace("-${name2}", "")).value
    assert value.name == "SGD-0.5"
    assert read(tmp_path, "epochs: 1\nname: lr ${optim.lr}\n").value.name == "lr 0.1"
    value = read(tmp_path, "epochs: 1\nhooks: ['${optim}', '${sizes}']\n", "hooks.1={_delete_: true}").value
    assert value.hooks[0] == Loose(type="SGD", lr=0.1, momentum=0.9)
    for name in ("optim.nothing", "optim.lr.x", "epochs.x", "sizes.0", "nothing.at.all", ""):
        with pytest.raises(InvalidConfigError, match=r"there is no key"):
            read(tmp_path, f"epochs: 1\nname: ${{{name}}}\n")
    with pytest.raises(InvalidConfigError, match=r"there is no key epochs to refer to"):
        read(tmp_path, "name: ${epochs}\n")


def test_a_bad_reference_is_one_problem(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        read(tmp_path, "epochs: ${epoch}\n")
    (problem,) = caught.value.problems
    assert "did you mean ${epochs}?" in str(problem)


def test_a_mapping_can_be_referred_to(tmp_path: Path) -> None:
    value = read(tmp_path, "epochs: 1\nhooks: [{a: 1}, '${hooks.0}']\n").value
    assert value.hooks[1] == Loose(a=1)


def test_overrides(tmp_path: Path) -> None:
    text = "epochs: 1\nhooks: [{a: 1}]\n"
    overrides = ("optim.lr=1e-3", "hooks.+={b: 2}", "hooks.0.a=5", "optim={momentum: 0}", "name=a=b")
    config = read(tmp_path, text, *overrides)
    assert config.value.optim == Optim(lr=1e-3, momentum=0)
    assert config.value.hooks == [Loose(a=5), Loose(b=2)]
    assert config.value.name == "a=b"
    assert config.origin(("optim", "lr")) == "command line: optim.lr=1e-3"


BAD = [
    ("epochs: many", (), "train.yaml:1:9: epochs: must be a valid integer", "            ^^^^"),
    ("epochs: 1\noptim: {lrr: 1}", (), "train.yaml:2:9: optim.lrr: unknown key", "did you mean lr?"),
    ("optim: {lr: 1}", (), "epochs: is missing", "train.yaml"),
    ("epochs: 1\noptim: {lr: -1}", (), "train.yaml:2:13: optim.lr: must be greater than 0, got -1", "^^"),
    ("epochs: 1\noptim: {type: Adm}", (), "optim.type: must be 'SGD' or 'Adam'", "did you mean Adam?"),
    ("epochs: 1\nepochs: 2", (), "train.yaml:2:1: epochs: written twice", "first on line 1"),
    ("epochs: [1", (), "train.yaml:2:1: not valid YAML", "expected"),
    ("epochs: 1", ("optim=Adam",), "optim: is a mapping of keys to values, got 'Adam'", "accepted: optim.type=Adam"),
    (
        "epochs: 1",
        ("optim=Adam", "optim.lr=1"),
        "command line:1:1: optim: Adam was said before (command line: optim=Adam)",
        "accepted: optim={_delete_: true",
    ),
    ("epochs: 1\noptim: Adam", ("optim.lr=1",), "optim: Adam was said before (", "accepted: optim={_delete_: true"),
    (
        "epochs: 1\noptim: 3",
        ("optim={lr: 1}",),
        "optim: 3 was said before (",
        "accepted: _delete_: true in the mapping",
    ),
    ("epochs: 1\noptim: 3", (), "train.yaml:2:8: optim: is a mapping of keys to values, got 3", "accepted: keys of "),
    ("- 1", (), "train.yaml:1:1: a configuration is a mapping", "- 1"),
    (
        "epochs: 1\nname: ${optim.lrr}",
        (),
        "there is no key optim.lrr to refer to",
        "did you mean ${optim.lr}?",
    ),
    ("epochs: ${epochs}", (), "references in a circle", "epochs"),
    ("epochs: 1\nname: a${hooks}\nhooks: [{b: 1}]", (), "hooks is not a single value", "train.yaml:2:7"),
    ("_base_: missing.yaml", (), "there is no missing.yaml", "shipped: quick"),
    ("_base_: 3", (), "_base_: is the name or path", "train.yaml:1:9"),
    ("_base_: train.yaml\nepochs: 1", (), "is a base of itself", "train.yaml:1:9"),
    ("epochs: 1", ("optim.lrr=1",), "command line:1:1: optim.lrr: unknown key", "    ^^^^^^^^^"),
    (
        "epochs: 1",
        ("optim.lr=fast",),
        "command line:1:10: optim.lr: must be a valid number",
        "             ^^^^",
    ),
    ("epochs: 1", ("lr",), "an override is written key=value", "optim.lr=1e-3"),
    ("epochs: 1\nsizes: [1]", ("sizes.4=2",), "4 is not a position in the list", "positions are 0 to 0"),
    ("epochs: 1\nsizes: [a]", (), "train.yaml:2:9: sizes.0: must be a valid integer", "^"),
    ("epochs: 1\n? [a]\n: 1", (), "a key is a plain word", "train.yaml:2"),
    ("a: &a [*a]", (), "an alias that contains itself", "train.yaml:1"),
    ("epochs: {a: 1}", (), "epochs: must be a valid integer", "train.yaml:1:9"),
]


@pytest.mark.parametrize(("text", "overrides", "first", "second"), BAD, ids=[f"{t[:24]}|{o}" for t, o, *_ in BAD])
def test_a_bad_configuration_says_what_and_where(
    tmp_path: Path, text: str, overrides: tuple[str, ...], first: str, second: str
) -> None:
    (tmp_path / "shipped.yaml").write_text("epochs: 1\noptim: {lr: 1}")
    if "optim" not in text:
        text += "\n"
    if "${optim.lrr}" in text:
        text += "\noptim: {lr: 1}"
    with pytest.raises(InvalidConfigError) as caught:
        read(tmp_path, text, *overrides)
    message = str(caught.value)
    assert first in message
    assert second in message


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="4 problems") as caught:
        read(tmp_path, "epochs: many\noptim: {lrr: 1, type: X}\n", "sizes=[a]")
    assert [problem.key for problem in caught.value.problems] == [
        "epochs",
        "optim.lrr",
        "optim.type",
        "sizes.0",
    ]
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems


def test_a_missing_or_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "none.yaml", Train)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InvalidConfigError, match="not UTF-8"):
        read_config(tmp_path / "bytes.yaml", Train)


def test_the_dump_tells_origins_and_reads_back(tmp_path: Path) -> None:
    config = read(tmp_path, "epochs: 3\nhooks: [{type: a, x: [1, 2]}, {}]\nname: $${seed}", "optim.lr=1e-3")
    text = config.dump()
    assert "lr: 0.001  # command line: optim.lr=1e-3" in text
    assert "momentum: 0.9  # default" in text
    (tmp_path / "again.yaml").write_text(text)
    assert read_config(tmp_path / "again.yaml", Train).value == config.value


def test_entries_explain_each_key(tmp_path: Path) -> None:
    entries = {entry.key: entry for entry in read(tmp_path, "epochs: 3\nsizes: [4]\n").entries()}
    assert entries["optim.lr"].description == "Learning rate."
    assert entries["optim.lr"].origin == "default"
    assert entries["sizes.0"].value == 4
    assert entries["hooks"].value == []


def test_plain_data_is_a_configuration_too() -> None:
    assert read_config({"epochs": 2, "optim": {"lr": 1}}, Train).value.epochs == 2
    with pytest.raises(InvalidConfigError, match=r"python: optim\.lrr: unknown key"):
        read_config({"epochs": 2, "optim": {"lrr": 1}}, Train)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab_:#${}", min_size=1, max_size=6), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abc-", min_size=1, max_size=6), trees, max_size=4))
def test_a_dump_loses_nothing(values: dict[str, Any]) -> None:
    problems: list[Any] = []
    text = dump_values(values, origin=lambda path: f"here: {path} # \n")
    back = to_plain(read_text(text, "dump", problems=problems))
    assert not problems
    assert back == escaped(values)


def escaped(value: Any) -> Any:
    """A dump is read with its references resolved, so it writes `$${` for `${`."""
    if isinstance(value, dict):
        return {key: escaped(item) for key, item in value.items()}  # in a key it is no reference
    if isinstance(value, list):
        return [escaped(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


@given(st.text())
def test_any_text_is_a_tree_or_a_problem(text: str) -> None:
    problems: list[Any] = []
    read_text(text, "any", problems=problems)
    for problem in problems:
        assert str(problem)


class Sized(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int | Annotated[list[int], Field(min_length=2, max_length=2)] | None = None
    rate: float | str = 0.1
    several: list[float] = []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("size: 33x17", ["size: must be a whole number or a list, got '33x17'", "a list is written [33, 17]"]),
        ("size: 3,4", ["size: must be a whole number or a list, got '3,4'", "a list is written [3, 4]"]),
        ("size: [33]", ["size: must have at least 2 items, not 1"]),
        ("size: {a: 1}", ["size: must be a whole number or a list"]),
        ("rate: [1]", ["rate: must be a number or a text"]),
        ("several: 3", ["several: must be a valid list, got 3", "a list is written [3]"]),
        ("several: 1 2", ["several: must be a valid list, got '1 2'", "a list is written [1, 2]"]),
    ],
)
def test_a_value_of_several_types_has_one_problem(text: str, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "sized.yaml").write_text(text)
    with pytest.raises(InvalidConfigError) as caught:
        read_config(tmp_path / "sized.yaml", Sized)
    assert len(caught.value.problems) == 1
    assert all(each in str(caught.value) for each in said)

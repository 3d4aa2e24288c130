"""Which values a type of an annotation takes from YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from plainnet.engine.run.arguments import check_arguments
from plainnet.engine.run.registry import KINDS, Registry


def takes(kind: Any, value: Any) -> bool:
    def function(*, value: Any) -> None: ...

    function.__annotations__["value"] = kind
    return not check_arguments(function, {"value": value})


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (float, [0.1, 1, -2], ["0.1", "fast", True, None, [1.0]]),
        (int, [1, 0], [1.0, 0.5, "1", True, None]),
        (bool, [True, False, 1], ["yes", 2, None]),
        (str, ["a", ""], [1, True, None]),
        (Path, ["a/b"], [1]),
        (float | Tensor, [0.1], ["x"]),
        (int | None, [None, 3], ["x"]),
        (int | list[int], [3, [3, 4]], ["x", [3, "x"]]),
        (tuple[float, float], [[0.9, 0.99]], [[0.9], 0.9]),
        (Sequence[Sequence[str]], [[["a", "b"]]], ["ab", [1]]),
        (Literal["min", "max"], ["min"], ["mean"]),
        (dict[str, int], [{"a": 1}], [3]),
        (nn.Module, [], ["x", 3]),
        (Any, ["x", 3, None], []),
        ("NameThatOnlyATypeCheckerKnows", ["x", 3], []),
    ],
)
def test_values_fit_or_not(kind: Any, good: list[Any], bad: list[Any]) -> None:
    assert [takes(kind, value) for value in good] == [True] * len(good)
    assert [takes(kind, value) for value in bad] == [False] * len(bad)


def test_names_that_are_imported_for_type_checkers_alone_are_known() -> None:
    """`torch.optim.lr_scheduler` imports `Iterable` so; its other arguments are compared, too."""
    scheduler = torch.optim.lr_scheduler.MultiStepLR
    assert not check_arguments(scheduler, {"milestones": [1, 2], "gamma": 0.5}, given=["optimizer"])
    assert [p.name for p in check_arguments(scheduler, {"milestones": 1, "gamma": "x"}, given=["optimizer"])] == [
        "milestones",
        "gamma",
    ]


def test_a_default_always_fits() -> None:
    def function(*, value: int = None) -> None: ...  # type: ignore[assignment]  # noqa: RUF013

    assert not check_arguments(function, {"value": None})
    assert check_arguments(function, {"value": "x"})


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_defaults_of_everything_that_is_known_fit(kind: str) -> None:
    """Annotations of torch's that pydantic reads otherwise would be seen here."""
    import inspect

    registry = Registry()
    checked = 0
    for name in registry.names(kind):
        function = registry.find(kind, name)
        parameters = inspect.signature(function).parameters
        arguments = {n: p.default for n, p in parameters.items() if p.default is not inspect.Parameter.empty}
        # a copy of the default, so that it is not passed over for being the default
        copies = {n: float(str(v)) if isinstance(v, float) else v for n, v in arguments.items()}
        given = [n for n in parameters if n not in arguments]
        assert not check_arguments(function, copies, given=given), name
        checked += len(copies)
    assert checked or kind == "maker"  # whose arguments have no defaults

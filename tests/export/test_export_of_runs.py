"""`plainnet export RUN[:rank]`: what a search found, with where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from plainnet.cli.main import main
from plainnet.naming.forms.search_run import FORM as SEARCH_RUN


def call(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as caught:
        main(args)
    return int(caught.value.code or 0), capsys.readouterr().err


@pytest.fixture
def run_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A short search, as a user runs it."""
    folder = tmp_path / "runs" / "short"
    options = ("--max-params", "300e3", "--candidates", "200", "--ladder", "none", "--use-se", "--seed", "3", "--quiet")
    assert call(capsys, "search", "zennas-resnet", "--out", str(folder), *options)[0] == 0
    return folder


def test_a_text_too_long_for_a_path_is_no_run() -> None:
    assert not SEARCH_RUN.takes("x" * 10_000)
    assert not SEARCH_RUN.takes("x" * 10_000 + ":1")


def test_the_best_and_any_rank(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for text in (str(run_folder), f"{run_folder}:1", f"{run_folder}:2"):
        out = tmp_path / f"net{len(found)}"
        assert call(capsys, "export", text, "--to", "plainnet", "--out", str(out))[0] == 0
        found.append(json.loads((out / "provenance.json").read_text()))
    assert found[0] == found[1]
    assert found[0]["structure"] != found[2]["structure"]
    assert [each["search"]["rank"] for each in found] == [1, 1, 2]
    assert [each["name"] for each in found] == ["short_1", "short_1", "short_2"]
    for each in found:
        assert each["search"] | {"rank": 0, "values": {}} == {
            "run": str(run_folder),
            "rank": 0,
            "objective": "zen",
            "seed": 3,
            "values": {},
        }
        assert each["variant"] == {"use_se": True}
        assert each["counts"]["params"] <= 300_000
    best, second = (next(iter(each["search"]["values"].values())) for each in found[1:])
    assert best >= second


@pytest.mark.parametrize(
    ("rank", "message"),
    [
        ("0", "'0' is no rank; accepted: 1 for the best"),
        ("x", "'x' is no rank"),
        ("999999", "has no network of rank 999999"),
    ],
)
def test_ranks_that_are_none(
    rank: str, message: str, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = call(capsys, "export", f"{run_folder}:{rank}", "--to", "pytorch", "--out", str(tmp_path / "net"))
    assert code == 2
    assert message in err
    assert not (tmp_path / "net").exists()

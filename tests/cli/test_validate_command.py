"""`plainnet validate` as a user runs it."""

import json
import re

import pytest

from plainnet.cli.main import main
from plainnet.validation.trained_sets import SETS

TABLE = "structure,accuracy\n" + "".join(f'"SuperConvK3BNRELU(3,8,1,{n})",{80 + n}\n' for n in range(1, 9))


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit_info:
        main(["validate", *map(str, arguments)])
    out = capsys.readouterr()
    return exit_info.value.code, out.out, out.err


def test_all_networks_by_default(capsys):
    code, out, _ = run(capsys, "--resamples", 10)
    assert code == 0
    assert "composite on NAS-Bench-Macro: 6,561 networks, 3,969 different ones" in out
    rows = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert rows["composite"][1] == "0.9514"
    assert rows["depth"][1] == "0.832"
    assert rows["another training"][2:] == ["0.979", "0.881"]
    assert "best-scored: 22222222, accuracy 92.95 (best there is: 93.13)" in out


def test_the_fitted_composite_is_shown_on_the_half_not_fitted(capsys):
    code, out, _ = run(capsys, "composite_fitted", "--resamples", 0)
    assert code == 0
    assert "the half not fitted" in out


def test_json_of_a_sample(capsys):
    code, out, _ = run(capsys, "macs", "--sample", 50, "--seed", 3, "--resamples", 5, "--json")
    assert code == 0
    result = json.loads(out)
    assert result["networks"] == 50
    assert result["proxy"] == "macs"
    assert set(result["baselines"]) == {"depth", "params"}
    assert len(result["scores"]) == 50


def test_a_table_of_ones_own_with_everything(capsys, tmp_path):
    (tmp_path / "mine.csv").write_text(TABLE)
    options = ["--table", tmp_path / "mine.csv", "--resamples", 5, "--resolution", "16x8", "--store"]
    code, out, err = run(capsys, *options, "--html", tmp_path / "page.html", "--resume", tmp_path / "scores.jsonl")
    assert code == 0
    assert "composite on mine.csv: 8 networks" in out
    assert "stored in" in err
    assert "composite on mine.csv" in (tmp_path / "page.html").read_text()
    assert f"page in {tmp_path / 'page.html'}" in err
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 9
    code, again, _ = run(capsys, *options, "--resume", tmp_path / "scores.jsonl")
    assert (code, again) == (0, out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["composit"], "unknown proxy 'composit'; accepted: .*did you mean composite"),
        (["composite", "--table", "nothing.csv"], "nothing.csv cannot be read"),
        (["composite", "--sample", "2"], "--sample"),
        (["composite", "--resolution", "huge"], "is no size"),
    ],
)
def test_misuse_exits_with_2_and_writes_nothing(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert code == 2
    assert out == ""
    assert re.search(message, err)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_row_is_said_with_its_line(capsys, tmp_path):
    (tmp_path / "mine.csv").write_text(TABLE + '"SuperConvK3BNRELU(3,8,1,1)",ninety\n')
    code, _, err = run(capsys, "--table", tmp_path / "mine.csv")
    assert code == 2
    assert "mine.csv:10: accuracy 'ninety' is no number" in err


# The sets that ship -----------------------------------------------------------------------------


def test_every_set_in_one_table(capsys):
    """Each row's figures, the mean and the worst of every column, read back from the printed text."""
    code, out, _ = run(capsys, "composite", "--set", "all", "--sample", 40, "--resamples", 0)
    assert code == 0
    lines = [re.split(r"  +", line.strip()) for line in out.splitlines()]
    assert lines[0] == ["Spearman on", "networks", "composite", "depth", "macs", "params", "Kendall of composite"]
    table = {line[0]: line[1:] for line in lines[2 : len(SETS) + 4]}
    assert list(table) == [*SETS, "mean", "worst"]
    assert ["nas-bench-301: NAS-Bench-301 (a surrogate's predictions)"] in lines
    assert all(row[0] == ("34" if name == "imagenet" else "40") for name, row in table.items() if name in SETS)
    for column in range(4):
        figures = [float(table[name][1 + column]) for name in SETS]
        assert float(table["mean"][column]) == pytest.approx(sum(figures) / len(figures), abs=1e-3)
        assert float(table["worst"][column]) == min(figures)
    assert max(len(line) for line in out.splitlines()) <= 100


def test_every_set_as_json_and_stored(capsys):
    code, out, err = run(capsys, "depth", "--set", "all", "--sample", 10, "--resamples", 0, "--json", "--store")
    assert code == 0
    result = json.loads(out)
    assert list(result["sets"]) == list(SETS)
    assert result["worst"]["depth"] == min(
        ([name, each["agreement"]["spearman"][0]] for name, each in result["sets"].items()), key=lambda pair: pair[1]
    )
    assert err.count("stored in") == len(SETS)


def test_where_a_proxy_has_no_score_the_table_says_none(capsys):
    code, out, _ = run(capsys, "composite_fitted", "--set", "all", "--sample", 12, "--resamples", 0)
    assert code == 0
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line}
    assert rows["accel-nas-bench"][1] == "none"
    assert rows["nas-bench-macro"][1] == "12"
    found = [float(rows[name][2]) for name in SETS if rows[name][1] != "none"]
    assert float(rows["mean"][1]) == pytest.approx(sum(found) / len(found), abs=1e-3)
    assert float(rows["worst"][1]) == min(found)
    assert out.splitlines()[-1].startswith("composite_fitted has no score for the networks of accel-nas-bench, ")


def test_one_set_by_name(capsys):
    code, out, _ = run(capsys, "macs", "--set", "transnas-scene", "--resamples", 0)
    assert code == 0
    assert "macs on TransNAS scene: 662 networks" in out
    assert re.search(r"^macs +0\.844", out, re.MULTILINE)


def test_a_version_is_an_option(capsys):
    code, out, _ = run(capsys, "composite", "--option", "version=1", "--set", "imagenet", "--resamples", 0)
    assert code == 0
    assert "composite(version=1) on 34 of ImageNet" in out
    assert re.search(r"^composite\(version=1\) +0\.897", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "transnas"], r"no set 'transnas' of trained networks; accepted: nas-bench-macro, .*, or all"),
        (["--set", "all", "--table", "mine.csv"], "--table is for one set or table"),
        (["--set", "all", "--resume", "scores.jsonl"], "--resume is for one set or table"),
        (["--set", "imagenet", "--table", "mine.csv"], "leave one of the two out"),
        (["--option", "version=7", "--set", "imagenet"], "the composite has no version 7; accepted: 1, 2"),
        (["--option", "versoin=1"], "composite has no option 'versoin'; accepted: version"),
        (["--option", "version"], "accepted: NAME=VALUE"),
    ],
)
def test_sets_and_options_that_cannot_be(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert re.search(message, " ".join(err.split()))
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_set(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert all(name in out for name in SETS)

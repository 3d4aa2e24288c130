"""`plainnet validate` as a user runs it."""

import json

import pytest

from plainnet.cli.main import main

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
    assert rows["composite"][1] == "0.972"
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
    pytest.importorskip("plotly")
    (tmp_path / "mine.csv").write_text(TABLE)
    options = ["--table", tmp_path / "mine.csv", "--resamples", 5, "--resolution", "16x8", "--store"]
    code, out, err = run(capsys, *options, "--html", tmp_path / "page.html", "--resume", tmp_path / "scores.jsonl")
    assert code == 0
    assert "composite on mine.csv: 8 networks" in out
    assert "stored in" in err
    assert (tmp_path / "page.html").stat().st_size > 10**6
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
    assert __import__("re").search(message, err)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_row_is_said_with_its_line(capsys, tmp_path):
    (tmp_path / "mine.csv").write_text(TABLE + '"SuperConvK3BNRELU(3,8,1,1)",ninety\n')
    code, _, err = run(capsys, "--table", tmp_path / "mine.csv")
    assert code == 2
    assert "mine.csv:10: accuracy 'ninety' is no number" in err

"""Pages from files of data: what commands print, or write, is all that their pages are made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.pages.found_pages import find_page
from plainnet.pages.page import SUBJECTS
from plainnet.pages.parts import finite
from plainnet.proxies.calibrated.calibration import Calibration, read_calibration
from plainnet.proxies.calibrated.features import network_features
from plainnet.templates.nas_bench_macro import network_of_code
from plainnet.validation.calibrating import TrainedNetworks, calibrate, singles_of
from tests.pages.page_facts import NET, OTHER

CODES = [f"{number:08b}" for number in range(0, 256, 12)]
FEATURES = tuple(network_features(network_of_code(code), 32) for code in CODES)

SMALLEST = sorted(range(len(CODES)), key=lambda number: FEATURES[number].macs)


def reported(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["report", *map(str, arguments)])


def told(path: Path) -> dict[str, Any]:
    result = reported(path, "--json")
    assert result.exit_code == 0, result.output
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    """Of networks in a space of its own, one of which is a failure and two of which did better than anything says."""
    accuracies = [80 + 4 * each.entropy - 3 * each.params - each.octave_slope for each in FEATURES]
    for number in SMALLEST[:4]:
        accuracies[number] -= 60
    accuracies[SMALLEST[10]] += 3
    networks = TrainedNetworks("t.csv", (32, 32), tuple(CODES), FEATURES, tuple(accuracies), singles_of(FEATURES))
    return calibrate(networks).calibration


@pytest.fixture
def kept(calibration: Calibration, tmp_path: Path) -> Path:
    calibration.write(tmp_path / "my score.json")
    return tmp_path / "my score.json"


def test_the_page_of_a_calibration_lies_beside_its_file(kept: Path) -> None:
    result = reported(kept)
    assert result.stdout == f"{kept.with_suffix('.html')}\n"
    page = kept.with_suffix(".html").read_text(encoding="utf-8")
    assert "<h1>my score.json</h1>" in page
    for said in (
        "Expected against measured",
        "composite(version=1)",
        "Kendall",
        "the very best network",
        "22 trained networks",
    ):
        assert said in page
    assert f"plainnet score NETWORK --proxy &#x27;calibrated:{kept}&#x27; --resolution 32" in page


def test_what_is_told_of_a_calibration_is_what_its_model_says(kept: Path, calibration: Calibration) -> None:
    facts = told(kept)["told"]
    found = read_calibration(kept).model.left_out
    assert [each["expected"] for each in facts["networks"]] == pytest.approx(found.expected)
    assert [each["low"] is None for each in facts["networks"]] == list(found.open_below)
    assert found.open_below[SMALLEST[0]], "failures lie below it, whose accuracies were clipped"
    within = [
        (each["low"] is None or each["low"] <= each["measured"]) and each["measured"] <= each["high"]
        for each in facts["networks"]
    ]
    assert 0 < sum(within) < len(CODES)
    assert facts["covered_by_90_percent"] == calibration.figures["covered_by_90_percent"] == sum(within) / len(CODES)
    page = find_page("calibration").made(facts)
    assert page.count("<span class='bad'>") == len(CODES) - sum(within)
    assert "below " in page


def other_figure(content: dict[str, Any]) -> None:
    content["figures"]["singles"]["depth"]["spearman"][0] = 0.9


def other_accuracy(content: dict[str, Any]) -> None:
    content["networks"][0]["accuracy"] += 100


def no_figures(content: dict[str, Any]) -> None:
    content["figures"] = {}


def no_number(content: dict[str, Any]) -> None:
    content["figures"]["left_out"]["spearman"] = ["much", 0, 1]


SPOILED: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (other_figure, "says that depth ranks its networks with Spearman 0.9000, and it does with"),
    (other_accuracy, "to work its figures out anew: plainnet calibrate"),
    (no_figures, "is damaged: figures.left_out: Field required"),
    (no_number, "is damaged: figures.left_out.spearman.0"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILED)
def test_a_calibration_whose_figures_are_not_its_own_has_no_page(
    kept: Path, spoil: Callable[[dict[str, Any]], None], said: str
) -> None:
    content = json.loads(kept.read_text())
    spoil(content)
    kept.write_text(json.dumps(content))
    result = reported(kept)
    assert said in str(result.exception), result.exception
    assert not kept.with_suffix(".html").exists()


TABLE = "structure,accuracy\n" + "".join(f'"SuperConvK3BNRELU(3,8,1,{n})",{80 + n % 5}\n' for n in range(1, 9))
ASKED = {
    "validation": ["--table", "mine.csv", "--resolution", "8", "--resamples", "5"],
    "validation on every set": ["--set", "all", "--sample", "4", "--resamples", "3"],
}


@pytest.mark.parametrize("about", ASKED)
def test_what_a_validation_prints_as_json_makes_the_page_that_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, about: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text(TABLE)
    asked = ["validate", "depth", *ASKED[about], "--json", "--html", "page.html"]
    printed = CliRunner().invoke(cli, asked, catch_exceptions=False).stdout
    Path("validation.json").write_text(printed)
    assert reported("validation.json").stdout == "validation.html\n"
    assert Path("validation.html").read_text() == Path("page.html").read_text()
    content = json.loads(printed)
    for key in told(Path("validation.json"))["told"]:
        Path("less.json").write_text(json.dumps({name: each for name, each in content.items() if name != key}))
        assert reported("less.json").exception is not None, key
    assert not Path("less.html").exists()


PRINTED = {
    "analysis": ["analyze", NET, "--resolution", "16", "--no-latency", "--no-zen", "--verify", "--memory"],
    "comparison": ["compare", NET, OTHER, "--resolution", "16"],
    "support": ["support", "table", "--platforms", "torch"],
}


@pytest.mark.parametrize("about", PRINTED)
def test_what_a_command_prints_as_json_makes_the_page_that_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, about: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if about == "support":
        CliRunner().invoke(cli, ["support", "scan", NET], catch_exceptions=False)
    printed = CliRunner().invoke(cli, [*PRINTED[about], "--json"], catch_exceptions=False).stdout
    Path("printed.json").write_text(printed)
    page = CliRunner().invoke(cli, [*PRINTED[about], "--html", *(["page.html"] if about != "support" else [])])
    written = page.stdout if about == "support" else Path("page.html").read_text()
    assert reported("printed.json").stdout == "printed.html\n"
    assert Path("printed.html").read_text() == written
    assert told(Path("printed.json")) == {"about": about, "told": json.loads(printed)}


def test_what_report_prints_as_json_makes_the_page_again(tmp_path: Path, facts_about: dict[str, Any]) -> None:
    """Whatever it is about: what was printed of what was printed is the same."""
    file = tmp_path / "printed.json"
    for about in SUBJECTS:
        file.write_text(json.dumps({"about": about, "told": finite(facts_about[about])}))
        assert reported(file).exit_code == 0, about
        assert file.with_suffix(".html").read_text() == find_page(about).made(facts_about[about]), about
        assert told(file) == json.loads(file.read_text())


@pytest.mark.parametrize("about", SUBJECTS)
def test_facts_that_lack_something_or_are_of_another_kind_have_no_page_and_no_traceback(
    tmp_path: Path, facts_about: dict[str, Any], about: str
) -> None:
    """Each value at the top, and in the first record of each list, is taken away, and put in another form."""
    facts, file = json.loads(json.dumps(finite(facts_about[about]))), tmp_path / "spoiled.json"
    refused = 0
    for spoiled in spoilt(facts):
        file.write_text(json.dumps({"about": about, "told": spoiled}))
        result = reported(file)
        assert result.exception is None or isinstance(result.exception, UsageError), repr(result.exception)
        refused += result.exception is not None
        assert result.exception is None or not file.with_suffix(".html").exists()
        file.with_suffix(".html").unlink(missing_ok=True)
    assert refused > 3


def spoilt(facts: dict[str, Any]) -> Iterator[Any]:
    """Facts with one thing wrong."""
    yield from ([], None, "x", 1)
    for key, value in facts.items():
        yield {name: each for name, each in facts.items() if name != key}
        yield {**facts, key: "x" if not isinstance(value, str) else [1]}
        if isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in value[0]:
                yield {**facts, key: [{name: each for name, each in value[0].items() if name != inner}, *value[1:]]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "there is no page about"),
        ("structure", "no JSON"),
        ("[1]", "accepted"),
        ('{"about": "serch", "told": {}}', "tells of 'serch', which there is no page about; did you mean search?"),
        ('{"about": ["search"], "told": {}}', "which there is no page about"),
        ('{"schema": "plainnet.analysis/1"}', "is of the schema plainnet.analysis/1; accepted: plainnet.analysis/2"),
        ('{"schema": "plainnet.comparison/1", "networks": []}', "damaged: no page about networks side by side"),
        (
            '{"schema": "plainnet.search/1"}',
            "is a report of a command's --json, and no file that there is a page about",
        ),
    ],
)
def test_other_files_have_no_page(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.json").write_text(text)
    result = reported(tmp_path / "x.json")
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)


def test_a_page_is_not_written_over_the_file_that_it_tells_of(kept: Path) -> None:
    html = kept.rename(kept.with_suffix(".html"))
    before = html.read_text()
    assert "would be written over by its page" in str(reported(html).exception)
    assert html.read_text() == before


def test_pages_are_made_of_plain_data(facts_about: dict[str, Any]) -> None:
    """Facts that went through JSON make the same page."""
    for about in SUBJECTS:
        page = find_page(about)
        again = json.loads(json.dumps(finite(facts_about[about]), allow_nan=False))
        assert page.made(again) == page.made(facts_about[about]), about

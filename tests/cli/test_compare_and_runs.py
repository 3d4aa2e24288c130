"""Networks side by side, and runs of both kinds in one list."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

import plainnet
from plainnet.cli.main import main
from plainnet.profiler.comparison import corresponding, counts_of
from plainnet.search import SearchConfig, load_space, search

FIRST = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperConvK1BNRELU(16,32,1,1)"
WIDER = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,24,1,8,1)SuperConvK1BNRELU(24,32,1,1)"
LONGER = "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,1,8,1)SuperResK3K3(16,16,1,8,1)SuperConvK1BNRELU(16,32,1,1)"
OTHER = "SuperConvK5BNRELU(3,16,1,1)MaxPool(16,2,2)"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    try:
        main(args)
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def analysis(text: str) -> plainnet.profiler.analysis.Analysis:  # type: ignore[name-defined]
    return plainnet.analyze_model(text, resolution=8, num_classes=10, latency=False, zen=False)


@pytest.mark.parametrize("second", [FIRST, WIDER, LONGER, OTHER])
@pytest.mark.parametrize("first", [FIRST, WIDER, LONGER, OTHER])
def test_every_block_is_in_one_pair_and_the_differences_add_up(first: str, second: str) -> None:
    one, other = analysis(first), analysis(second)
    pairs = corresponding(one, other)
    assert [pair.first.index for pair in pairs if pair.first] == [block.index for block in one.blocks]
    assert [pair.second.index for pair in pairs if pair.second] == [block.index for block in other.blocks]
    for name in ("params", "macs"):
        total = sum(pair.difference(name) or 0 for pair in pairs)
        assert total == getattr(other, name) - getattr(one, name)
    assert all(pair.is_equal for pair in pairs) == (first == second)


def test_blocks_of_a_kind_correspond() -> None:
    pairs = corresponding(analysis(FIRST), analysis(LONGER))
    alone = [pair for pair in pairs if pair.first is None]
    assert len(alone) == 1
    assert alone[0].second is not None
    assert alone[0].second.name.startswith("SuperResK3K3(")
    assert counts_of(analysis(FIRST))["params"] == analysis(FIRST).params


def test_networks_that_differ_in_names_only_have_equal_blocks() -> None:
    graph = "ConvKX(a|3,8,3,1)Sequential(BN(x|8)RELU(8)MultiSumBlock(BN(8);From(x)))MultiSumBlock(BN(8);From(a))"
    pairs = corresponding(
        analysis(graph),
        analysis(graph.replace("a|", "skip|").replace("(a)", "(skip)").replace("x|", "y|").replace("(x)", "(y)")),
    )
    assert [pair.is_equal for pair in pairs] == [True] * 4
    other = graph.replace("MultiSumBlock(BN(8);From(a))", "MultiSumBlock(BN(8);From(a);From(a))")
    assert [pair.is_equal for pair in corresponding(analysis(graph), analysis(other))] == [True, True, False, True]


def test_compare_prints_differences_and_what_cannot_be_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--resolution", "8", "--num-classes", "10")
    code, out, err = run(
        capsys, "compare", FIRST, WIDER, *options, "--proxy", "composite,naswot", "--repeats", "2", "--json"
    )
    assert (code, err.count("network #")) == (0, 2)
    record = json.loads(out)
    params = [each["params"] for each in record["counts"]]
    assert params == [analysis(FIRST).params, analysis(WIDER).params]
    assert [each["distinguishable_from_first"] for each in record["scores"]["composite"]] == [None, True]
    _, text, _ = run(capsys, "compare", FIRST, WIDER, *options)
    change = 100 * (params[1] - params[0]) / params[0]
    assert f"{params[1]:,} ({change:+.1f} %)" in text
    assert "1 equal block" in text
    _, text, _ = run(capsys, "compare", FIRST, FIRST, *options)
    assert "(cannot be told apart)" in text
    assert "4 equal blocks" in text
    _, text, _ = run(capsys, "compare", FIRST, WIDER, LONGER, *options, "--proxy", "none", "--full")
    assert text.count(" -> ") == 2
    assert "composite" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((FIRST,), 2, "compare takes two networks or more"),
        ((FIRST, "resnet81"), 2, "did you mean resnet18"),
        ((FIRST, WIDER, "--proxy", "zzen", "--resolution", "8"), 2, "did you mean zen"),
        (("resnet18", "zennet_cifar_model_size05M"), 0, "no scores: they compare structures at one input size"),
    ],
)
def test_what_is_not_compared(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    found, _, err = run(capsys, "compare", *arguments)
    assert (found, message in err) == (code, True), err


def test_the_list_of_runs_holds_searches_and_trainings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = SearchConfig(
        load_space("zennas-resnet"), limits={"params": 5e4}, candidates=40, islands=1, population=8, epoch=40
    )
    search(config, Path("runs/found"))
    overrides = ["train.epochs=1", "log.tensorboard=false", "device=cpu", "run=runs/deep/trained"]
    summary = plainnet.train("SuperConvK3BNRELU(1,4,2,1)", overrides=overrides, console=Console(quiet=True))
    code, out, err = run(capsys, "runs", "list", "--json")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["run"], line["kind"], line["state"]) for line in lines] == [
        ("runs/found", "search", "finished"),
        ("runs/deep/trained", "training", "finished"),
    ]
    assert lines[1]["best"] == summary.best["value"]
    _, out, _ = run(capsys, "runs", "list")
    assert all(name in out for name in ("runs/found", "runs/deep/trained", "SuperConvK3BNRELU(1,4,2,1)"))
    _, out, _ = run(capsys, "runs", "show", "runs/deep/trained", "--json")
    shown = json.loads(out)
    assert (shown["parameters"], shown["metrics"]) == (summary.params, summary.metrics)
    assert shown["weights"] == "runs/deep/trained/best.safetensors"
    assert "objectives" in run(capsys, "runs", "show", "runs/found")[1]
    assert f"parameters   {summary.params:,}\n" in run(capsys, "runs", "show", "runs/deep/trained")[1]
    for words in (["best", "{}"], ["pareto", "{}"], ["export", "{}"], ["trained", "{}"], ["diff", "{}", "runs/found"]):
        code, _, err = run(capsys, "runs", *(word.format("runs/deep/trained") for word in words))
        assert code == 2
        assert "runs/deep/trained is a training run, which has no candidates" in err
    Path("runs/deep/trained/summary.json").write_text("[1")
    code, out, err = run(capsys, "runs", "list")
    assert (code, "unreadable" in out, "summary.json: no JSON" in err) == (0, True, True)

"""Validation: tables, scoring with resume, what noise leaves, stored figures, the page."""

import json
import math
import random
import re
from functools import partial

import numpy as np
import pytest

from plainnet import parse
from plainnet.errors import UsageError
from plainnet.pages.found_pages import write_pages
from plainnet.proxies.closed.baselines import BASELINES, depth, macs, params
from plainnet.proxies.closed.composite import composite
from plainnet.proxies.closed.composite_fitted import in_fitting_half
from plainnet.proxies.score_table import score_networks
from plainnet.validation import trust
from plainnet.validation.accuracy_table import NAS_BENCH_MACRO, NOT_FITTED, nas_bench_macro_table, read_accuracy_table
from plainnet.validation.shipped_trust import CLOSED_FORMS, measured
from plainnet.validation.trained_sets import SETS, trained_table
from plainnet.validation.trust import enter, store, stored, trust_sentences
from plainnet.validation.validate import training_noise, validate
from plainnet.validation.validation_facts import validation_facts
from plainnet.validation.validation_view import figure_rows

STEM = "SuperConvK3BNRELU(3,8,1,{})"
TEXTS = [STEM.format(number) for number in range(1, 9)]


def one(structure):  # noqa: ARG001
    return 1.0


def no_number(structure):  # noqa: ARG001
    return math.nan


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("PLAINNET_HOME", str(tmp_path / "home"))


def table_file(tmp_path, text):
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def small_table(tmp_path, texts=TEXTS):
    rows = "\n".join(f'"{text}",{80 + number}' for number, text in enumerate(texts))
    return read_accuracy_table(table_file(tmp_path, f"structure,accuracy\n{rows}\n"))


# Tables -----------------------------------------------------------------------------------------


def test_a_table_of_ones_own(tmp_path):
    table = read_accuracy_table(
        table_file(
            tmp_path,
            "name,structure,accuracy_1,remark,accuracy_2\n"
            'first,"SuperConvK3BNRELU(3,8,1,1)",90,,91\n'
            "\n"
            ',"SuperConvK3BNRELU(3,8,1,2)SuperConvK1BNRELU(8,9,1,1)",92.5,good,\n',
        )
    )
    assert table.names == ("first", "line 4")
    assert table.trainings == ((90, 91), (92.5,))
    assert table.accuracies == [90.5, 92.5]
    assert table.networks[0] == "SuperConvK3BNRELU(3,8,1,1)"
    assert table.name == "table.csv"


def test_a_structure_need_not_be_quoted(tmp_path):
    table = read_accuracy_table(table_file(tmp_path, "structure,accuracy\nSuperConvK3BNRELU(3,8,1,1),90\n"))
    assert table.networks == ["SuperConvK3BNRELU(3,8,1,1)"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("structure,accuracy\n", "no network below the header"),
        ("struct,accuracy\n", r":1: the header has no column 'structure'.*is 'struct' meant"),
        ("structure,acc\n", r":1: the header has no column 'accuracy'"),
        ('structure,accuracy\n"SuperConvK3BNRELU(3,8,1,1)",90\nSuperConvK3BNRELU(3,8,1,1),high\n', r":3: .*'high' is no number"),
        ('structure,accuracy\n"SuperConvK3BNRELU(3,8,1,1)",nan\n', r":2: accuracy 'nan' is no number"),
        ('structure,accuracy\n"SuperConvK3BNRELU(3,8,1,1)",\n', r":2: no accuracy"),
        ('structure,accuracy\n"SuperConvK3BNRELU(3,8,1,1)"\n', r":2: 1 fields where the header has 2"),
        ('structure,accuracy\n"SuperConvK3BNRELO(3,8,1,1)",90\n', r"(?s):2: unknown block.*SuperConvK3BNRELU"),
        ('accuracy,structure\n90,SuperConvK3BNRELU(3,8,1,1)\n', r":2: 5 fields where the header has 2; is the structure quoted"),
        ('structure,accuracy\n"SuperConvK3BNRELU(3,8,1,1),90\n', r"no CSV"),
    ],
)  # fmt: skip
def test_a_broken_table_is_said_with_its_line(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        read_accuracy_table(table_file(tmp_path, text))


def test_a_missing_or_binary_table_is_said(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_accuracy_table(tmp_path / "nothing.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        read_accuracy_table(tmp_path / "binary.csv")


def test_samples_are_seeded_and_in_order():
    table = nas_bench_macro_table()
    sample = table.sample(100, seed=1)
    assert sample.names == table.sample(100, seed=1).names
    assert sample.names != table.sample(100, seed=2).names
    assert list(sample.names) == sorted(sample.names)
    accuracy = dict(zip(table.names, table.accuracies, strict=True))
    assert [accuracy[name] for name in sample.names] == sample.accuracies
    assert table.sample(10**6) is table
    with pytest.raises(UsageError):
        table.sample(0)


def test_the_half_that_was_not_fitted():
    table = nas_bench_macro_table(not_fitted=True)
    assert table.name == NOT_FITTED
    assert not any(map(in_fitting_half, table.names))
    assert len(table) == sum(not in_fitting_half(code) for code in nas_bench_macro_table().names)


# Scoring ----------------------------------------------------------------------------------------


def test_the_same_network_is_scored_once():
    asked = []
    structures = [parse(text) for text in [*TEXTS, *TEXTS]]

    def function(structure):
        asked.append(structure.text)
        return len(asked)

    scores = score_networks(structures, function)
    assert asked == TEXTS
    assert scores[:8] == scores[8:]


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    structures = [parse(text) for text in TEXTS]
    path, asked = tmp_path / "scores.jsonl", []

    def function(structure):
        asked.append(structure.text)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return math.inf if structure.text == TEXTS[1] else len(structure.text) + 0.1

    with pytest.raises(KeyboardInterrupt):
        score_networks(structures, function, label="a", resume=path)
    with path.open("a") as file:
        file.write('{"structure": "cut o')
    done = []
    scores = score_networks(
        structures, function, label="a", resume=path, progress=lambda number, total: done.append((number, total))
    )
    assert asked == [*TEXTS[:4], *TEXTS[3:]]
    assert scores[1] == math.inf
    assert scores == score_networks(structures, function, label="a", resume=path)
    assert len(asked) == 9
    assert done == [(number, 8) for number in range(1, 9)]
    for line in path.read_text().splitlines():
        json.loads(line)


def test_a_file_of_other_scores_is_refused_and_left_alone(tmp_path):
    structures = [parse(text) for text in TEXTS]
    path = tmp_path / "scores.jsonl"
    score_networks(structures, one, label="a", resume=path)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="'a' for other networks or settings than 'b'"):
        score_networks(structures, one, label="b", resume=path)
    with pytest.raises(UsageError, match="other networks"):
        score_networks(structures[1:], one, label="a", resume=path)
    assert path.read_bytes() == before
    path.write_text("something else\n")
    with pytest.raises(UsageError, match="no file of scores"):
        score_networks(structures, one, label="a", resume=path)
    assert path.read_text() == "something else\n"
    with pytest.raises(UsageError, match="cannot be written"):
        score_networks(structures, one, resume=tmp_path / "no folder" / "x")


def test_baselines_by_hand():
    text = parse("SuperConvK3BNRELU(3,8,1,2)SE(8)MultiSumBlock(RELU(8)RELU(8);ConvKX(8,8,3,1)BN(8)RELU(8))")
    assert depth(text) == 4
    assert depth(parse("ConvKX(3,8,3,2)BN(8)ResBlock(8,1,ConvKX(8,8,1,1))")) == 0
    one = parse("ConvKX(3,8,3,2)BN(8)")
    assert (macs(one, (8, 4)), params(one)) == (8 * 27 * 8, 8 * 27 + 16)
    assert set(BASELINES) == {"depth", "macs", "params"}


# Validation -------------------------------------------------------------------------------------


def test_a_small_table_end_to_end(tmp_path):
    result = validate(small_table(tmp_path), composite, proxy="composite", resamples=50)
    assert result.agreement.spearman.value == pytest.approx(1)
    assert result.agreement.regret.value == 0
    assert result.best_scored == "line 9"
    assert set(result.baselines) == {"depth", "macs", "params"}
    assert result.ceiling is None
    assert "Spearman 1.00; depth alone 1.00" in result.sentence()
    again = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert again["agreement"]["kendall"][0] == pytest.approx(1)
    assert [score[0] for score in again["scores"]] == list(result.names)


def test_networks_without_a_score_are_left_out_and_named(tmp_path):
    table = small_table(tmp_path)

    def function(structure):
        return math.nan if structure.text == TEXTS[2] else -len(structure.text) - random.Random(structure.text).random()

    result = validate(table, function, proxy="odd", resamples=0)
    assert result.unscored == ("line 4",)
    assert result.networks == 7
    assert "line 4" not in result.names
    assert len(result.accuracies) == 7
    with pytest.raises(UsageError, match="score for 0 networks"):
        validate(table, no_number, proxy="odd")


def test_the_composites_figures_on_all_networks():
    result = validate(nas_bench_macro_table(), composite, proxy="composite", resamples=20, baselines={})
    assert (result.networks, result.distinct) == (6561, 3969)
    assert result.agreement.spearman.value > 0.94
    assert result.agreement.kendall.value > 0.80
    assert result.agreement.top_10_percent.value > 0.6
    assert result.ceiling is not None
    assert result.ceiling.another_training == pytest.approx((0.9794, 0.8813), abs=2e-4)
    assert result.ceiling.perfect_knowledge[0] == pytest.approx(0.996, abs=1e-3)


def test_the_first_composite_is_what_it_was():
    first = partial(composite, version=1)
    result = validate(nas_bench_macro_table(), first, proxy="composite(version=1)", resamples=0, baselines={})
    assert result.agreement.spearman.value > 0.965
    assert result.agreement.kendall.value > 0.84


def test_the_composite_is_nowhere_far_below_the_better_of_params_and_macs():
    """The bar: on no set more than .1 below, and in the mean over the sets above all of them and its first version."""
    figures = {
        name: [trust.shipped(title, name).spearman.value for title in shipped_titles()]
        for name in ("composite", "composite(version=1)", "params", "macs", "depth")
    }
    for found, params_alone, macs_alone in zip(figures["composite"], figures["params"], figures["macs"], strict=True):
        assert found > max(params_alone, macs_alone) - 0.1
    means = {name: sum(values) / len(values) for name, values in figures.items()}
    assert means["composite"] > 0.05 + max(value for name, value in means.items() if name != "composite")


def test_noise_is_measured_where_networks_were_trained_more_than_once():
    rng = np.random.default_rng(0)
    truth = rng.normal(90, 1, size=2000)
    quiet, loud = (training_noise(truth[:, None] + rng.normal(0, sigma, (2000, 3))) for sigma in (0.01, 1.0))
    assert quiet.another_training[0] > 0.99
    assert quiet.perfect_knowledge[0] > 0.999
    assert loud.another_training[0] == pytest.approx(0.483, abs=0.04)  # 6/pi asin(rho/2), rho = 1/2
    assert loud.another_training[0] < loud.perfect_knowledge[0] < quiet.perfect_knowledge[0]
    assert training_noise([[1.0], [2.0], [3.0]]) is None
    assert training_noise([[1.0, 2.0], [2.0], [3.0, 1.0]]) is None


# Stored figures ---------------------------------------------------------------------------------


def shipped_titles():
    return [each.title for each in SETS.values()]


@pytest.mark.parametrize("name", ["composite", "composite(version=1)", *BASELINES])
@pytest.mark.parametrize(
    "set_name", [pytest.param(name, marks=[pytest.mark.tail] * (name == "nas-bench-301")) for name in SETS]
)
def test_the_shipped_figures_are_what_the_package_measures(set_name, name):
    table, records = trained_table(set_name), {}
    measured(name, table, records, resamples=0)
    found, shipped = records[table.name][name], trust.shipped(table.name, name)
    assert found["networks"] == len(table)
    assert [pair.value for pair in shipped] == pytest.approx(
        [pair[0] for pair in found["agreement"].values()], abs=6e-5
    )
    assert all(pair.low <= pair.value <= pair.high for pair in shipped)


def test_the_shipped_figure_of_the_fitted_composite():
    table, records = nas_bench_macro_table(not_fitted=True), {}
    measured("composite_fitted", table, records, resamples=0)
    shipped = trust.shipped(NOT_FITTED, "composite_fitted")
    expected = [pair[0] for pair in records[NOT_FITTED]["composite_fitted"]["agreement"].values()]
    assert [pair.value for pair in shipped] == pytest.approx(expected, abs=6e-5)


def test_the_other_closed_forms_have_figures_on_every_set():
    """Entropies are sums along a chain, so that they have none on sets of cells; where a form has no score for some networks of
    a set, that is told."""
    cells = [each.title for name, each in SETS.items() if name in ("nas-bench-101", "nas-bench-301")]
    for name in CLOSED_FORMS:
        for title in shipped_titles():
            has_none = title in cells and name in ("madnas", "deepmad", "rho")
            assert (trust.shipped(title, name) is None) == has_none, (title, name)


def sample_of(title, name):
    networks, whole = (trust.shipped_record(title, each)["networks"] for each in (name, "params"))
    return f" ({networks} networks)" if networks < whole else ""


def test_sentences_quote_every_set():
    """The figures of all sets, the best never alone; each sentence follows from the file."""
    for name in ("composite", "composite(version=1)", "zen", "params"):
        proxy, version = ("composite", 1) if "version" in name else (name, None)
        found = ", ".join(
            f"{trust.shipped(title, name).spearman.value:.2f} on {title}{sample_of(title, name)}"
            for title in shipped_titles()
        )
        alone = "; ".join(
            f"{other} {', '.join(f'{trust.shipped(title, other).spearman.value:.2f}' for title in shipped_titles())}"
            for other in ("params", "macs")
            if other != name
        )
        assert trust_sentences(proxy, version=version) == [f"Spearman {found}", f"alone: {alone}"]


def test_sentences_say_where_nothing_was_measured():
    naswot = trust_sentences("naswot")
    assert re.fullmatch(
        r"Spearman 0\.\d\d on NAS-Bench-Macro \(200 networks\) \(not measured on \d other sets\)", naswot[0]
    )
    assert naswot[1] == "alone: params 0.32; macs 0.75"
    fitted = trust_sentences("composite_fitted")
    assert fitted[0].startswith(f"Spearman 0.98 on {NOT_FITTED} (not measured on")
    assert trust_sentences("nothing known") == []


def test_a_users_figures_stand_behind_the_shipped_ones(tmp_path):
    table = small_table(tmp_path)
    result = validate(table, lambda structure: -len(structure.blocks), proxy="mine", resamples=5)
    assert store(result) == trust.user_file()
    store(validate(table, composite, proxy="mine", resamples=5))
    assert trust_sentences("mine") == [
        "on table.csv this proxy ranks with Spearman 1.00; params alone 1.00; macs alone 1.00"
    ]
    assert stored("table.csv", "mine").spearman.value == 1
    assert stored(NAS_BENCH_MACRO, "mine") is None
    trust.user_file().write_text("[]")
    with pytest.raises(UsageError, match="no stored validations"):
        trust_sentences("mine")


def test_a_users_figures_of_before_are_of_the_first_composite(tmp_path):
    """A record without a version is of version 1, and stays so when others are stored beside it."""
    table = small_table(tmp_path)
    store(validate(table, composite, proxy="composite", resamples=5, baselines={}))
    content = json.loads(trust.user_file().read_text())
    assert content["tables"]["table.csv"]["composite"].pop("version") == 2
    content["tables"]["old.csv"] = content["tables"].pop("table.csv")
    trust.user_file().write_text(json.dumps(content))
    store(validate(table, composite, proxy="composite", resamples=5, baselines={}))
    said = "this proxy ranks with Spearman 1.00"
    assert trust_sentences("composite")[2:] == [f"on table.csv {said}"]
    assert trust_sentences("composite", version=1)[2:] == [f"on old.csv {said}"]
    content["tables"]["old.csv"]["composite"]["version"] = "x"
    trust.user_file().write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"old.csv.composite.version is 'x'; accepted: an integer"):
        trust_sentences("composite")


def test_scores_of_another_version_are_not_gone_on_with(tmp_path):
    table, path = small_table(tmp_path), tmp_path / "scores.jsonl"
    validate(table, composite, proxy="composite", resamples=0, resume=path)
    assert "composite(version=2)" in path.read_text().splitlines()[0]
    path.write_text(path.read_text().replace("composite(version=2)", "composite"))
    with pytest.raises(UsageError, match="choose another file"):
        validate(table, composite, proxy="composite", resamples=0, resume=path)


# The page ---------------------------------------------------------------------------------------


def test_the_page_stands_alone(tmp_path):
    table = small_table(tmp_path)
    result = validate(table, composite, proxy="composite", resamples=5)
    path = tmp_path / "page.html"
    write_pages(validation_facts(result), path)
    text = path.read_text(encoding="utf-8")
    assert "<script src" not in text
    assert 'href="http' not in text
    assert "composite on table.csv" in text
    assert all(name in text for name in table.names), "of so few networks each has its name"
    assert [row[0] for row in figure_rows(result)] == ["composite", "depth", "macs", "params"]
    with pytest.raises(UsageError, match="cannot be made: it is a file"):
        write_pages(validation_facts(result), path / "page.html")


def test_a_baseline_that_was_judged_on_more_networks_stays(tmp_path):
    table, records = small_table(tmp_path), {}

    def of_some(structure):
        return math.nan if structure.text == TEXTS[2] else float(params(structure, table.resolution))

    enter(records, validate(table, of_some, proxy="mine", resamples=20))
    assert records[table.name]["params"]["networks"] == len(TEXTS) - 1
    whole = validate(table, partial(params, resolution=table.resolution), proxy="params", baselines={}, resamples=20)
    enter(records, whole)
    enter(records, validate(table, of_some, proxy="mine", resamples=20))
    assert records[table.name]["params"]["networks"] == len(TEXTS)
    assert records[table.name]["mine"]["networks"] == len(TEXTS) - 1

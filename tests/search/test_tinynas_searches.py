"""TinyNAS's searches as they stand: its objectives with stage ratios and depth penalty, its budgets, its configurations; and
every other proxy as an objective.
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from plainnet.blocks import Shape, parse
from plainnet.cli.main import cli
from plainnet.errors import UsageError
from plainnet.proxies.catalogue import find_proxy, known_proxies
from plainnet.proxies.closed.entropy import deepmad, madnas
from plainnet.search import Rung, RunStore, SearchConfig, load_space, search
from plainnet.search.candidates.evaluation import Setting
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.objective_names import read_objective
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.candidates.proxy_scorer import depth_penalty
from plainnet.search.space.mutation import Mutator
from plainnet.search.store.records import COSTS, FIXED, column_names
from tests.search.small import small_config

CONFIG = """\
work_dir = './save_model/'
image_size = 64
bits = 4
model = dict(
    type = 'CnnNet',
    structure_info = [
        {{'class': 'ConvKXBNRELU', 'in': 3, 'out': 32, 's': 2, 'k': 3}}, \\
        {{'class': 'SuperResK1KXK1', 'in': 32, 'out': 256, 's': 2, 'k': 3, 'L': 1, 'btn': 64}}, \\
        {{'class': 'SuperResK1KXK1', 'in': 256, 'out': 512, 's': 2, 'k': 3, 'L': 1, 'btn': 128}}, \\
    ]
)
budgets = [dict(type = "flops", budget = 41e8), dict(type = "layers",budget = 30), dict(type = "model_size", budget = 5e6),
    dict(type = "efficient_score", budget = 0.3)]
score = dict({score})
space = dict(type = '{space}', image_size = image_size)
search=dict(popu_size = 256, num_random_nets = 100000)
"""
DEEPMAD = "type = 'deepmad', multi_block_ratio = [1,1,8], alpha1=1, alpha2=2, depth_penalty_ratio=10."
OPTIONS = "ratios=[1, 1, 8], alpha1=1, alpha2=2, depth_penalty=10.0"


def config(folder: Path, score: str = DEEPMAD, space: str = "space_k1kxk1") -> Path:
    path = folder / "deepmad_R18.py"
    path.write_text(CONFIG.format(score=score, space=space))
    return path


def test_a_configuration_of_tinynas_is_a_space(tmp_path: Path) -> None:
    space = load_space(config(tmp_path))
    assert space.name == "deepmad_R18"
    assert space.limits == {"macs": 4.1e9, "convolutions": 30.0, "params": 5e6, "rho": 0.3}
    assert space.objectives == [f"deepmad({OPTIONS})"]
    assert (space.resolution, space.num_classes) == (64, 0)
    assert space.start == ["ConvKXBNRELU(3,32,3,2)SuperResK1KXK1(32,256,3,2,64,1)SuperResK1KXK1(256,512,3,2,128,1)"]
    assert space.blocks == load_space("tinynas-k1kxk1").blocks
    for said in ("no classifier counted", "left out: search", "may grow 8 times", "and not 4"):
        assert said in space.about


def test_its_search_runs_and_keeps_its_budgets(tmp_path: Path) -> None:
    command = ["search", str(config(tmp_path)), "--candidates", "300", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "note: From the configuration deepmad_R18.py of TinyNAS" in result.stderr
    assert (
        "budgets of the space deepmad_R18: macs 4,100,000,000, convolutions 30, params 5,000,000, rho 0.3"
        in result.stderr
    )
    candidates = RunStore.open(tmp_path / "run").select()
    assert len(candidates) > 30
    for candidate in candidates[::9]:
        structure = parse(candidate.structure)
        score = deepmad(structure, ratios=[1, 1, 8], alpha1=1, alpha2=2, resolution=64) - 10 * depth_penalty(structure)
        assert candidate.scores["deepmad"] == pytest.approx(score)
        assert candidate.costs["rho"] <= 0.3
        assert candidate.costs["convolutions"] <= 30
        assert candidate.costs["params"] == sum(each.sums.params for each in structure.totals(Shape(3, 64, 64)))


@pytest.mark.parametrize("seed", range(6))
def test_any_start_is_brought_within_the_rules(tmp_path: Path, seed: int) -> None:
    """Published starts have widths such as 108, 729 and 865, and stems of 64 where mutation stops at 32."""
    random, kind = Random(seed), ["k1dwsek1", "k1kxk1", "k1dwk1"][seed % 3]
    path, before, wanted = config(tmp_path, space=f"space_{kind}"), [32, 256, 512], list[int]()
    text = path.read_text().replace("SuperResK1KXK1", f"SuperRes{kind.upper()}")
    for width in before:
        wanted.append((wanted or [20])[-1] + random.randrange(4, 300))
        text = text.replace(f"'out': {width},", f"'out': {wanted[-1]},").replace(
            f"'in': {width},", f"'in': {wanted[-1]},"
        )
    path.write_text(text.replace("'btn': 64", f"'btn': {random.randrange(40, 900)}"))
    space = load_space(path)
    start = parse(space.start[0])
    found = [block.out_channels for block in start.blocks]
    assert all(abs(one - other) <= 4 for one, other in zip(found, wanted, strict=True))
    rounded = [f"{one} to {other}" for one, other in zip(wanted, found, strict=True) if one != other]
    assert all(each in space.about for each in rounded)
    assert Mutator(space, GenePool()).starts[0][-1].width_out == found[-1], "its rules hold for it"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("'space_k1kxk1'", "'space_k1kxk2'", "did you mean space_k1kxk1"),
        ("'space_k1kxk1'", "'space_quant_k1dwk1'", "space.type is 'space_quant_k1dwk1'; accepted"),
        ("'deepmad'", "'stentr'", "score.type is 'stentr'; accepted: madnas, deepmad"),
        ("image_size = 64", "image_size = big()", "image_size is big() (line 2); accepted: a positive number"),
        ("budget = 41e8", "budget = -1", "the budget flops is -1; accepted: a positive number"),
        ("[1,1,8]", "ratios_of(3)", "score.multi_block_ratio is ratios_of(3)"),
        ("budgets = [", "budgets = best() or [", "budgets are"),
        ("'in': 256", "'in': 255", "model.structure_info"),
        ("model = dict(", "model = load(", "model is missing"),
        ("search=dict(", "import os; os.system('touch HACKED') dict(", "cannot be read as a configuration"),
    ],
)
def test_what_is_not_written_down_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UsageError, match=r"accepted|cannot|structure_info") as error:
        load_space(path)
    assert said in str(error.value)


def test_a_configuration_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = config(tmp_path)
    path.write_text("from pathlib import Path\nPath('HACKED').touch()\n" + path.read_text())
    load_space(path)
    assert not (tmp_path / "HACKED").exists()


@pytest.mark.parametrize(
    ("structure", "depths"),
    [
        ("ConvKXBNRELU(3,32,3,2)SuperResK1KXK1(32,64,3,2,16,1)SuperResK1KXK1(64,64,3,2,16,2)SuperResK1KXK1(64,64,3,1,16,5)", [5]),
        ("ConvKXBNRELU(3,32,3,2)SuperResKXKX(32,64,3,2,16,1)SuperResKXKX(64,64,3,2,16,2)SuperResKXKX(64,64,3,1,16,5)", [2, 5]),
        ("ConvKXBNRELU(3,32,3,2)SuperResK1KX(32,64,3,2,16,1)SuperResK1KX(64,64,3,2,16,4)", [1, 4]),
        ("ConvKXBNRELU(3,32,3,2)", [1]),
    ],
)  # fmt: skip
def test_the_penalty_on_uneven_depths(structure: str, depths: list[int]) -> None:
    assert depth_penalty(parse(structure)) == pytest.approx(math.exp(statistics.pstdev(depths)))


SETTING = Setting(Shape(3, 32, 32), 10)


@pytest.mark.parametrize(
    ("text", "maximise"),
    [
        ("madnas", True),
        ("min:madnas(ratios=[0, 1])", False),
        ("rho", True),
        ("min:rho", False),
        ("convolutions", False),
        ("max:convolutions", True),
        ("deepmad(alpha1=0.5, depth_penalty=1)", True),
        ("zen(variant=zennas)", True),
        ('zen(variant="zennas")', True),
        ("composite_fitted", True),
        ("residual_sensitivity", find_proxy("residual_sensitivity").higher_is_better),
    ],
)
def test_objectives_by_name(text: str, maximise: bool) -> None:
    assert find_objective(text, SETTING).maximise == maximise


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("madnsa", "did you mean madnas"),
        ("madnas(ratio=[1])", "no option 'ratio'; accepted: ratios; did you mean ratios"),
        ("madnas(depth_penalty=-1)", "depth_penalty is -1; accepted"),
        ("madnas(depth_penalty=x)", "depth_penalty is 'x'; accepted"),
        ("zen(depth_penalty=1)", "no option 'depth_penalty'"),
        ("macs(x=1)", "no option 'x'"),
        ("madnas(", "cannot be read; options are written as in"),
        ("madnas([1])", "cannot be read"),
        ("madnas(ratios=f())", "cannot be read"),
        ("az_nas", "ranks networks within a set"),
        ("snip", "needs labels"),
    ],
)
def test_objectives_that_there_are_not(text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        find_objective(text, SETTING)
    assert said in str(error.value)


@pytest.mark.parametrize("name", [name for name in known_proxies() if find_proxy(name).is_exact and name not in COSTS])
def test_every_closed_form_is_an_objective(name: str) -> None:
    from plainnet.proxies.score import score

    result = search(small_config(objectives=(name,), candidates=60, limits={"layers": 8}))
    column = {"zen": "zen_leading"}.get(name, name)
    if name != "zen":
        expected = score(result.best.structure, name, resolution=32, num_classes=100).mean
        assert result.best.scores[column] == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["naswot", *(pytest.param(name, marks=pytest.mark.tail) for name in ("zen_mc", "synflow", "az_trainability"))],
)
def test_a_proxy_that_builds_networks_is_an_objective_with_the_same_rows(tmp_path: Path, name: str) -> None:
    config = small_config(
        objectives=(name,), candidates=24, islands=2, population=4, limits={"params": 3e4, "layers": 6}
    )
    assert search(config, tmp_path / "a").best == search(config, tmp_path / "b", workers=2).best


@pytest.mark.parametrize(
    "objective", ["madnas(ratios=[0, 1])", "deepmad(ratios=[1, 2, 3, 4, 5, 6, 7])", "zen(gamma=-1)"]
)
def test_options_that_no_candidate_can_have_are_said_before_the_search(tmp_path: Path, objective: str) -> None:
    said = "stage ratios are given and the structure has" if "ratios" in objective else "gamma is -1"
    with pytest.raises(UsageError, match=f"on the start of the space: .*{said}"):
        search(small_config(objectives=(objective,), candidates=200), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rungs_that_cannot_be_climbed_are_refused_before_the_search(tmp_path: Path) -> None:
    labelled = [name for name in known_proxies() if "labels" in find_proxy(name).needs]
    ranked = [name for name in known_proxies() if find_proxy(name).combine is not None]
    assert labelled
    assert ranked
    for name, said in [
        *((name, "needs labels") for name in labelled if name not in ranked),
        *((name, "ranks networks within a set") for name in ranked),
        *((name, "counted for every candidate") for name in ("params", "macs", "depth")),
        ("zenn", "did you mean zen"),
    ]:
        with pytest.raises(UsageError, match=said):
            search(small_config(ladder=(Rung(name, 6, 1, 1),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_columns_of_objectives_never_hide_others() -> None:
    names = column_names(["macs", "Hash", "STRUCTURE", "zen_leading", "ZEN_leading", "objective_macs"])
    assert len({name.lower() for name in names}) == len(names)
    assert not {name.lower() for name in names} & {*FIXED, *COSTS}


def test_what_an_objective_says() -> None:
    assert read_objective("max:a.py:f") == ("max", "a.py:f", {})
    assert read_objective("min:deepmad(ratios=[1,2], alpha1=.5, word=some)") == (
        "min",
        "deepmad",
        {"ratios": [1, 2], "alpha1": 0.5, "word": "some"},
    )
    assert read_objective("/a(1)/b.py:f") == ("", "/a(1)/b.py:f", {})
    assert madnas("ConvKXBNRELU(3,32,3,2)", ratios=[1]) > 0
    assert SearchConfig(load_space("zennas-resnet"), objectives=("madnas(ratios=[1])",)).epoch == 2_500
    assert SearchConfig(load_space("zennas-resnet"), objectives=("naswot",)).epoch == 250

"""Certificates, and the program that checks them: it shares no code with the solver, and finds every kind of false one."""

from __future__ import annotations

import ast
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import plainnet
from plainnet.blocks.text.reader import read_blocks
from plainnet.cli.main import cli
from plainnet.errors import RunError, UsageError
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.exact import optimum as exact
from plainnet.search.exact.asking import exact_config
from plainnet.search.exact.certificate import Certificate, read_certificates
from plainnet.search.exact.check_network import is_of
from plainnet.search.exact.check_parts import NEVER
from plainnet.search.exact.check_space import read_places
from plainnet.search.exact.optimum import solved
from plainnet.search.exact.place_options import Slots, find_slots
from plainnet.search.exact.summed_objectives import NotASumError
from plainnet.search.exact.verify import _Program, verify
from plainnet.search.runs.optimum_run import begin_optimum
from plainnet.search.runs.optimum_state import FACT
from plainnet.search.settings.config import SearchConfig
from plainnet.search.store import RunStore
from tests.search.exact.brute import FAMILIES, best_of_all, drawn_case
from tests.search.exact.test_optimum import LIMITS, SMALL

ROOM = Path(plainnet.__file__).parent / "search" / "exact"
CHECKER = (
    "verify",
    "check_blocks",
    "check_network",
    "check_parts",
    "check_space",
    "check_worth",
    "rows_of",
    "certificate",
)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return solved(exact_config(SMALL, limits=LIMITS)).certificates()[0]


def test_another_program_proves_the_bound_again(certificate: Certificate) -> None:
    checked = verify(certificate)
    assert checked.holds
    assert checked.proven == pytest.approx(certificate.bound, abs=1e-6)
    assert Certificate.from_dict(json.loads(json.dumps(certificate.as_dict()))) == certificate
    older = {name: value for name, value in certificate.as_dict().items() if name not in ("structure", "value")}
    assert verify(Certificate.from_dict(older)).holds


def test_widths_that_are_looked_at_no_further_are_remembered(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = SearchConfig.from_json(certificate.config)
    program = _Program(config, certificate, read_places(config.space.model_dump(), 0, 5), 5)
    every = program.proven(NEVER)  # nothing is left out, all is divided
    unit = 1 << program.worth.scale.digits
    for below in (unit, unit // 8, 0):
        assert every <= program.proven(every + below) <= every + below
        assert program.proven(every - 1 - below) == every
    monkeypatch.setattr("plainnet.search.exact.verify.parts_of", lambda _, grid: [(grid[0], grid[0])])
    assert program.proven(every) > every - unit * 10  # what was left out is part of what is proven


@pytest.mark.parametrize("name", CHECKER)
def test_the_checker_has_no_code_of_the_solver_and_no_numpy(name: str) -> None:
    tree = ast.parse((ROOM / f"{name}.py").read_text(encoding="utf-8"))
    froms = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = [*froms, *(each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names)]
    assert not [each for each in names if each.partition(".")[0] in ("numpy", "scipy")]
    inside = [each.rpartition(".")[2] for each in names if each.startswith("plainnet.search.exact.")]
    assert set(inside) <= set(CHECKER)


def edited(certificate: Certificate, change: Any) -> Certificate:
    """A certificate whose configuration was changed."""
    config = json.loads(certificate.config)
    change(config)
    return dataclasses.replace(certificate, config=json.dumps(config))


def wider(config: dict[str, Any]) -> None:
    config["space"]["blocks"][1]["change"]["out_channels"]["values"].append(40)


def finer(config: dict[str, Any]) -> None:
    config["space"]["blocks"][0]["change"]["out_channels"].update(minimum=4, step=4)


def another_image(config: dict[str, Any]) -> None:
    config["resolution"] = 15


def other(name: str, value: Any) -> Any:
    return lambda certificate: dataclasses.replace(certificate, **{name: value(getattr(certificate, name))})


FALSE = {
    "the bound is lowered": (other("bound", lambda bound: bound - 1e-3), "at these prices networks may have"),
    "a price is lowered": (other("prices", lambda each: {"params": each["params"] * 0.7}), "at these prices"),
    "a price is raised": (other("prices", lambda each: {"params": each["params"] * 1.4}), "at these prices"),
    "what activations are worth": (other("count_worth", lambda each: each + 0.05), "at these prices"),
    "the value is raised": (other("value", lambda value: value + 1e-3), "that is claimed"),
    "another network": (other("structure", lambda text: text.replace("48,64", "48,32")), "that is claimed"),
    "a network over the budget": (other("structure", lambda text: text.replace("48,64", "48,512")), "over the budget"),
    "a value of no network": (other("structure", lambda _: None), "belong together"),
    "a network without a value": (other("value", lambda _: None), "belong together"),
    "no network": (other("structure", lambda text: text[:-1]), "cannot be read"),
    "a width is added": (lambda each: edited(each, wider), "at these prices"),
    "a finer step": (lambda each: edited(each, finer), "at these prices"),
    "a larger budget": (
        lambda each: edited(each, lambda config: config["limits"].update(params=25_000)),
        "at these prices",
    ),
    "more layers": (lambda each: edited(each, lambda config: config["limits"].update(layers=6)), "at these prices"),
    "no classifier": (lambda each: edited(each, lambda config: config.update(num_classes=0)), "at these prices"),
    "a larger image": (lambda each: edited(each, lambda config: config.update(resolution=32)), "at these prices"),
}


@pytest.mark.parametrize("what", FALSE)
def test_a_false_certificate_does_not_hold(certificate: Certificate, what: str) -> None:
    change, told = FALSE[what]
    checked = verify(change(certificate))
    assert not checked.holds
    assert told in checked.fault


def test_a_network_that_the_space_does_not_hold_is_told(certificate: Certificate) -> None:
    def narrower(config: dict[str, Any]) -> None:
        config["space"]["blocks"][1]["change"]["out_channels"]["values"].remove(64)

    checked = verify(edited(certificate, narrower))
    assert not checked.holds
    assert "no network of the space" in checked.fault


@pytest.mark.parametrize("end", ["ConvKXBN(16,24,3,2)", "ConvKXBN(16,24,3,2)ConvKXBN(24,24,1,1)"])
def test_networks_that_end_without_an_activation(end: str) -> None:
    """Their last term is another one, and a larger one."""
    rule = {"become": [], "change": {"out_channels": {"values": [8, 16, 24]}}}
    space = {
        "name": "bare",
        "start": f"SuperConvK3BNRELU(3,8,1,1)SuperConvK3BNRELU(8,16,2,2){end}",
        "blocks": [{"names": ["SuperConvK*BNRELU"], **rule}, {"names": ["ConvKXBN"], **rule}],
        "resolution": 16,
        "num_classes": 10,
    }
    run = solved(exact_config(space, limits={**LIMITS, "layers": 9}), gap=0.0)
    checked, best = verify(run.certificates()[0]), run.result().value
    assert best is not None
    assert checked.holds, checked.fault
    assert checked.proven >= best


TWO: dict[str, Any] = {
    "name": "two",
    "start": [
        "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)",
        "SuperConvK3BNRELU(3,8,2,1)SuperResK5K5(8,16,2,8,1)",
    ],
    "blocks": [{"names": ["Super*"], "become": [], "change": {"out_channels": {"values": [8, 16, 24]}}}],
    "resolution": 16,
    "num_classes": 10,
}


def test_of_several_starts_each_needs_a_certificate_and_one_of_them_the_network(tmp_path: Path) -> None:
    both, file = solved(exact_config(TWO, limits=LIMITS)).certificates(), tmp_path / "proof.json"
    assert [verify(each).holds for each in both] == [True, True]
    config = SearchConfig.from_json(both[0].config)
    for text, holds in (
        (TWO["start"][0], True),
        (TWO["start"][1], True),
        (TWO["start"][0].replace("K3K3", "K7K7"), False),
    ):
        genes = tuple(GenePool().of_block(block, 0) for block in read_blocks(text))
        costs = Counter(config.setting, asked=config.asked).costs(genes)
        assert costs is not None
        value = find_objective("zen", config.setting).fitness(genes, costs)
        checked = [verify(dataclasses.replace(each, structure=text, value=value)) for each in both]
        assert [each.holds for each in checked] == [holds, holds]
        assert all(holds or "no network of the space" in each.fault for each in checked)
    for kept, told in (
        (both, None),
        (both[:1], "none is for start 1"),
        ([both[0], edited(both[1], another_image)], "different"),
    ):
        file.write_text(json.dumps([each.as_dict() for each in kept]), encoding="utf-8")
        said = CliRunner().invoke(cli, ["optimum", "--verify", str(file)])
        assert said.exit_code == (0 if told is None else 1), said.output
        assert told is None or told in said.output


@pytest.mark.parametrize("what", ["names", "depths", "widths", "inner"])
def test_what_the_solver_leaves_out_of_the_space_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fewer(*given: Any) -> list[Slots]:
        """The places without what the best network is made of."""
        (slots,) = find_slots(*given)
        first, place, last = slots.places
        options = [each for each in place.options if each.name == "SuperResK3K3" or what != "names"]
        if what == "depths":
            options = [each._replace(depths=(1, 2)) for each in options]
        if what == "inner":
            options = [each._replace(inner_values=each.inner_values[2:]) for each in options]  # type: ignore[index]
        widths = place.widths[:3] if what == "widths" and place.widths is not None else place.widths
        return [slots._replace(places=(first, place._replace(options=tuple(options), widths=widths), last))]

    monkeypatch.setattr(exact, "find_slots", fewer)
    checked = verify(solved(exact_config(SMALL, limits=LIMITS)).certificates()[0])
    assert not checked.holds
    assert "at these prices networks may have" in checked.fault


def test_what_is_no_certificate_is_said(certificate: Certificate, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    for text in ("", "{}", "[]", "[1]", '[{"schema": "other"}]', "[" * 100_000):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(RunError, match="no certificate"):
            read_certificates(file)
    values = certificate.as_dict()
    with pytest.raises(RunError, match="negative"):
        verify(Certificate.from_dict({**values, "prices": {"params": -1.0}}))
    with pytest.raises(RunError, match="start 7"):
        verify(Certificate.from_dict({**values, "start": 7}))
    with pytest.raises(UsageError, match="accepted: zen"):
        verify(edited(certificate, lambda config: config.update(objectives=["madnas"])))


# All networks of small spaces ------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_checker_reads_all_that_mutation_makes_and_confirms_what_is_true(family: str) -> None:
    held = 0
    for number in range(30):
        case = drawn_case(family, number)
        if case is None:
            continue
        drawn, networks, counter = case
        limits = {name: limit for name, limit in drawn.limits.items() if name != "convolutions"}
        config = dataclasses.replace(drawn, objectives=("zen",), limits=limits)
        places = read_places(config.space.model_dump(), 0, int(limits["layers"]))
        for genes in networks[:: 1 + len(networks) // 300]:
            if sum(gene.depth for gene in genes) <= limits["layers"]:
                assert is_of("".join(gene.text for gene in genes), places)
        best = best_of_all(config, networks, counter)
        try:
            found = solved(config).certificates()
        except NotASumError:
            continue
        if best is None or not found:
            continue
        checked = verify(found[0])
        assert checked.proven >= best[0] - 1e-9
        assert checked.holds
        held += 1
        if held == 2:
            return


# Runs -----------------------------------------------------------------------------------------------


def tampered(folder: Path, change: Any) -> None:
    store = RunStore.open(folder)
    state = json.loads(store.info(FACT))
    change(state)
    store.set_fact(FACT, json.dumps(state))
    store.close()


RUN_CHANGES = {
    "the bound is lowered": lambda state: state["result"].update(bound=state["result"]["bound"] - 0.01),
    "the value is raised": lambda state: state["result"].update(value=state["result"]["value"] + 0.01),
}


@pytest.mark.parametrize("what", [None, *RUN_CHANGES])
def test_a_run_is_verified(what: str | None, tmp_path: Path) -> None:
    begin_optimum(exact_config(SMALL, limits=LIMITS), tmp_path / "run", gap=0.01)
    if what is not None:
        tampered(tmp_path / "run", RUN_CHANGES[what])
    said = CliRunner().invoke(cli, ["optimum", "--verify", str(tmp_path / "run")])
    assert said.exit_code == (0 if what is None else 1), said.output
    assert ("it claims" in said.output) == (what is not None)
    assert "it holds" in said.output


def test_a_run_that_has_no_certificate_says_so(tmp_path: Path) -> None:
    run = begin_optimum(exact_config(SMALL, limits=LIMITS), tmp_path / "run", max_seconds=1e-9)
    assert run.limit == "time"
    said = CliRunner().invoke(cli, ["optimum", "--verify", str(tmp_path / "run")])
    assert said.exit_code != 0
    assert "is not finished; to go on with it: plainnet optimum --resume" in str(said.exception)

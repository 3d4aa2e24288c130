"""All networks of a small space, one by one: the oracle of the exact search. It shares nothing with it but the space."""

from __future__ import annotations

from random import Random
from typing import Any

from plainnet.search import load_space
from plainnet.search.candidates.budgets import Budgets
from plainnet.search.candidates.evaluation import Counter
from plainnet.search.candidates.genes import GenePool, Genes
from plainnet.search.candidates.objectives import find_objective
from plainnet.search.space.mutation import Mutator


def reached(mutator: Mutator, most: int, most_layers: int | None = None) -> list[Genes]:
    """Every network that mutation of single arguments reaches, breadth first; those of too many layers are not gone on from."""
    known = set(mutator.starts)
    waiting = list(known)
    while waiting and len(known) <= most:
        for child in mutator.neighbours(waiting.pop()):
            if child in known or (most_layers is not None and sum(gene.depth for gene in child) > most_layers):
                continue
            known.add(child)
            waiting.append(child)
    return sorted(known, key=lambda genes: "".join(gene.text for gene in genes))  # the same in every process


def best_of_all(config: Any, networks: list[Genes], counter: Counter) -> tuple[float, Genes] | None:
    """The best value, to be made large, of networks within the budgets. counter: the only one that their genes have met."""
    objective = find_objective(config.objectives[0], config.setting)
    budgets, best = Budgets(config.limits), None
    for genes in networks:
        costs = counter.costs(genes)
        if costs is None or budgets.over(costs._asdict()):
            continue
        value = objective.fitness(genes, costs)
        if best is None or value > best[0]:
            best = (value, genes)
    return best


FAMILIES = {
    "resnet": (
        "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)",
        ["SuperResK3K3", "SuperResK1K5K1", "SuperResK5K5"],
    ),
    "mobile": (
        "SuperConvK3BNRELU(3,8,2,1)SuperResIDWE2K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)",
        ["SuperResIDWE2K3", "SuperResIDWE1K5", "SuperResIDWE6K3"],
    ),
    "k1kxk1": ("ConvKXBNRELU(3,16,3,2)SuperResK1KXK1(16,32,3,2,8,1)SuperResK1KXK1(32,32,3,1,8,1)", ["SuperResK1KXK1"]),
    "kxkx": (
        "ConvKXBNRELU(3,16,3,2)SuperResKXKX(16,16,3,1,8,1)SuperResK1KX(16,24,3,2,8,1)",
        ["SuperResKXKX", "SuperResK1KX"],
    ),
    "k1dwk1": (
        "ConvKXBNRELU(3,8,3,2)SuperResK1DWK1(8,8,3,1,16,1)SuperResK1DWK1(8,16,3,2,32,1)ConvKXBNRELU(16,40,1,1)",
        ["SuperResK1DWK1"],
    ),
    "elements": (
        "ConvKX(3,8,3,1)BN(8)RELU(8)MaxPool(8,3,2)SuperResK3K3(8,16,1,8,1)SuperConvK1BNRELU(16,24,1,1)",
        ["SuperResK3K3"],
    ),
    "held": (
        "SuperConvK3BNRELU(3,8,1,1)SuperResK3K3(8,16,2,8,1)BN(16)RELU(16)SuperResK3K3(16,16,1,8,1)SuperConvK1BNRELU(16,24,1,1)",
        ["SuperResK3K3", "SuperResK5K5"],
    ),
}


def random_small_space(rng: Random, family: str, *, split: bool = False) -> dict[str, Any]:
    """A space of some hundreds or thousands of networks."""
    start, names = FAMILIES[family]
    step = rng.choice([4, 8])
    top = rng.choice([2, 3]) * 8 if split else rng.choice([24, 32])
    width = {"factors": [2, 1.5, 0.5], "minimum": 8, "maximum": top, "step": step}
    width = width if rng.random() < 0.5 else {"values": sorted({8, 16, rng.randrange(4, 40, 4), 24, 32})}
    change: dict[str, Any] = {"out_channels": width}
    inner = rng.random()
    if inner < 0.4:
        change["bottleneck_channels"] = {"values": sorted({8, 16, 32, rng.randrange(4, 32, 4)})}
    elif inner < 0.6:
        change["bottleneck_channels"] = {"ratios": [0.5, 1, 2], "of": "out_channels", "minimum": 4, "step": 4}
    if split or rng.random() < 0.5:
        change["sub_layers"] = {"add": [-1, 1], "minimum": 1, **({} if split else {"maximum": 3})}
    if "kernel_size" in change or family in ("k1kxk1", "k1dwk1"):
        change["kernel_size"] = {"values": [3, 5]}
    space: dict[str, Any] = {
        "name": "small",
        "start": start,
        "blocks": [
            {
                "names": names,
                **({"become": [names[0]]} if len(names) > 1 and rng.random() < 0.4 else {}),
                "change": change,
            }
        ],
        "resolution": rng.choice([7, 9, 16, 33]),
        "num_classes": rng.choice([0, 3, 10]),
    }
    if family == "held" and rng.random() < 0.5:
        space["positions"] = [{"at": 2, "freeze": ["out_channels"]}]
    if family == "kxkx":
        space["blocks"] = [{"names": [name], "change": change} for name in names]
    if rng.random() < 0.3:
        space["widths"] = {"at_least_input": rng.random() < 0.5, "at_most_next": rng.random() < 0.5}
        if rng.random() < 0.5:
            space["widths"]["at_most_input_times"] = 2
    if split:
        space["split"] = {"at_least": 3, "first": 1}
    return space


def valid_space(rng: Random, family: str, *, split: bool = False) -> Any:
    """A small space whose start keeps its own rules."""
    from plainnet.errors import ConfigError

    while True:
        try:
            return load_space(random_small_space(rng, family, split=split))
        except ConfigError:
            continue


OBJECTIVES = ("zen", "zen", "zen", "madnas", "macs", "max:layers", "max:activations", "min:params", "max:params")
OF_LOGARITHMS = ("composite", "composite(version=1)", "deepmad", "deepmad(alpha1=0.5, alpha2=1.5)")


def drawn_case(
    family: str, number: int, objectives: tuple[str, ...] = OBJECTIVES
) -> tuple[Any, list[Genes], Counter] | None:
    """A configuration over a small space, all its networks, and the counter that these have met; None for too many."""
    from plainnet.search import SearchConfig

    rng = Random(f"{family} {number}")
    split = rng.random() < 0.3 and family in ("resnet", "mobile")
    space = valid_space(rng, family, split=split)
    shared = {"objectives": (rng.choice(objectives),), "resolution": space.resolution, "num_classes": space.num_classes}
    setting = SearchConfig(space, limits={"layers": 30}, **shared).setting
    most = rng.choice([5, 6]) if split else rng.choice([4, 6, 9])
    networks = reached(Mutator(space, GenePool(), setting.shape), 3_000, most + 3 * split)
    if len(networks) > 3_000:
        return None
    counter = Counter(setting, asked={"convolutions"})
    pick = next(each for genes in networks if (each := counter.costs(genes)) is not None)
    limits: dict[str, float] = {"layers": most}
    for name in ("params", "macs", "activations", "convolutions"):
        if rng.random() < 0.5:
            limits[name] = max(1, getattr(pick, name) * rng.choice([1, 1.05, 0.9, 3, 5]))
    return SearchConfig(space, limits=limits, **shared), networks, counter

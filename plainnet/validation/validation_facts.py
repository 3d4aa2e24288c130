"""What pages tell about validations, as plain data."""

from __future__ import annotations

from plainnet.pages.page import Facts
from plainnet.validation.across_sets import AcrossSets
from plainnet.validation.validate import Validation

__all__ = ["sets_facts", "validation_facts"]


def validation_facts(validation: Validation) -> Facts:
    """The facts of a proxy on one table."""
    rows = [(validation.proxy, validation.agreement), *validation.baselines.items()]
    figures: list[tuple[str, list[tuple[float, ...] | None]]] = [
        (name, [tuple(each) for each in found]) for name, found in rows
    ]
    if validation.ceiling is not None:
        for name, pair in validation.ceiling._asdict().items():
            figures.append(
                (name.replace("_", " "), [*((value, float("nan"), float("nan")) for value in pair), *[None] * 3])
            )
    facts = {
        "proxy": validation.proxy,
        "set": validation.table,
        "distinct": validation.distinct,
        "resamples": validation.resamples,
        "figures": figures,
        "points": list(zip(validation.scores, validation.accuracies, strict=True)),
        "names": validation.names,
        "best": validation.names.index(validation.best_scored),
        "unscored": len(validation.unscored),
    }
    return Facts("validation", facts)


def sets_facts(found: AcrossSets) -> Facts:
    """The facts of a proxy on several sets."""
    columns = found.compared
    worst = [found.worst(name) for name in columns]
    facts = {
        "proxy": found.proxy,
        "columns": columns,
        "sets": [[each["set"], each["networks"], [each[name] for name in columns]] for each in found.records()],
        "mean": [found.mean(name) for name in columns],
        "worst": [None if each is None else each[1] for each in worst],
    }
    return Facts("validation on every set", facts)

"""`plainnet.evaluate`: the metrics of a trained network that is named in any way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError
from plainnet.naming.resolver import resolve
from plainnet.naming.subject import Subject

if TYPE_CHECKING:
    from plainnet.engine.run.evaluation import Evaluation

__all__ = ["evaluate", "trained_weights"]


def evaluate(
    network: Any,
    *,
    data: str | None = None,
    values: Sequence[str] = (),
    split: str = "val",
    evaluators: Sequence[str] = (),
    imports: Sequence[str] = (),
    batch_size: int | None = None,
    device: str = "cpu",
    trust: bool = False,
) -> Evaluation:
    """The metrics of trained weights on a data set, as `plainnet evaluate` prints them.

        plainnet.evaluate("runs/mine")                      # on the validation images that it was trained with
        plainnet.evaluate("runs/mine", data="folder", values=["root=photos"])

    network: whatever `plainnet.resolve` takes and has trained weights: a training run, a safetensors file of one, a folder
        exported with them (but for graphs), store:NAME. The others as in `plainnet.engine.run.evaluation.evaluate`; trust: as in
        `plainnet.resolve`.

    Raises `UsageError` for a network without trained weights, and for images that it does not take; `ConfigError` for data that
    are none.
    """
    from plainnet.engine.run.evaluation import evaluate as run

    weights = trained_weights(resolve(network, trust=trust, imports=imports))
    return run(
        weights,
        data=data,
        values=values,
        split=split,
        evaluators=evaluators,
        imports=imports,
        batch_size=batch_size,
        device=device,
    )


def trained_weights(subject: Subject) -> Path:
    """The file of a network's trained weights; `UsageError` for one that has none, or has them in files for another program."""
    accepted = "a training run, a .safetensors file of one, or a folder exported with trained weights (but as a graph)"
    if subject.weights is None and subject.unread:
        raise UsageError(f"the trained weights of {subject.said} are {subject.unread}; accepted: {accepted}")
    if subject.weights is None:
        raise UsageError(
            f"{subject.said} names a network without trained weights; accepted: {accepted} "
            f"(to train it: plainnet train {quote(subject.said)})"
        )
    return subject.weights

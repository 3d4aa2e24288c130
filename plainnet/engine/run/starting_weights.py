"""Weights that a training begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import nn

from plainnet.engine.data.source import DataSource
from plainnet.engine.run.schema import ModelSection, OptimSection
from plainnet.errors import UsageError
from plainnet.files.pickled_tensors import network_tensors
from plainnet.files.tensor_files import other_kinds
from plainnet.store.describing import channel_meaning
from plainnet.store.layout import STORED, find_name, store_root
from plainnet.store.record import Record
from plainnet.store.reused_parts import own_name, part_prefixes_in, prefixes_of, record_beside, under

__all__ = ["check_parts", "load_start", "refuse_weights", "warnings_of_start"]

HEADS = ("head", "heads", "fc", "classifier")
"""What classifiers, and the heads of a network in parts, are called."""
SHOWN = 4


def load_start(model: nn.Module, path: Path, *, new_head: bool, parts: Sequence[str] = ()) -> str:
    """Load a file of weights into the network: all of it, all but the classifier, or some parts of a stored network; the result
    says what was loaded.
    """
    tensors = network_tensors(path)
    expected = model.state_dict()
    left = _head(model) if new_head else set[str]()
    if parts:
        prefixes = prefixes_of(_stored(path), parts)
        tensors = {name: tensor for name, tensor in tensors.items() if under(name, prefixes)}
        prefixes = part_prefixes_in(model, parts, prefixes)
        left |= {name for name in expected if not under(name, prefixes)}
    tensors = {own_name(model, name): tensor for name, tensor in tensors.items()}
    misfits = [
        f"{name} {list(tensors[name].shape)} where {list(tensor.shape)} is meant"
        for name, tensor in expected.items()
        if name in tensors and name not in left and tensors[name].shape != tensor.shape
    ]
    kinds = other_kinds(tensors, {name: tensor for name, tensor in expected.items() if name not in left})
    problems = [
        *_listed("missing", [name for name in expected if name not in tensors and name not in left]),
        *_listed("unknown", [name for name in tensors if name not in expected and not _under(name, HEADS * new_head)]),
        *_listed("of another shape", misfits),
        *_listed("of another type", kinds),
    ]
    if problems:
        names = {problem.split(" ")[0] for problem in misfits}
        only_head = len(problems) == 1 and names and all(_under(name, HEADS) for name in names)
        hint = "; model.new_head=true leaves the classifier out, for other classes" if only_head else ""
        raise UsageError(f"the weights {path} do not fit the network: {'; '.join(problems)}{hint}")
    taken = {name: tensor for name, tensor in tensors.items() if name in expected and name not in left}
    model.load_state_dict(taken, strict=False)
    new = f"; new, not loaded: {', '.join(sorted(left))}" if left else ""
    return f"loaded {len(taken)} of {len(expected)} tensors from {path}{new}"


def refuse_weights(said: str, store: bool | str) -> None:
    """Say why weights that are not there cannot be begun with."""
    if said.startswith(STORED):
        find_name(store_root(store if isinstance(store, str) else None), said.removeprefix(STORED))
    raise UsageError(f"there is no file {said}")


def check_parts(section: ModelSection) -> None:
    """Refuse parts of weights that have none."""
    if section.weights is None:
        raise UsageError("there are no weights to take parts of: model.weights names them")
    prefixes_of(_stored(Path(section.weights)), section.parts)


def _stored(path: Path) -> Record:
    record = record_beside(path)
    if record is None:
        raise UsageError(
            f"{path} is no network of the store, and only those have parts; accepted: model.weights: store:NAME"
        )
    return record


def warnings_of_start(path: Path, optim: OptimSection, data: DataSource) -> list[str]:
    """What may spoil the weights of a stored network, or does not fit what they were trained on."""
    record = record_beside(path)
    if record is None:
        return []
    name, input_, found = f"{record.identity.name}.{record.identity.tag}", record.input, list[str]()
    tuned = record.training.fine_tuning
    rates = [optim.arguments.get("lr"), *((group.model_extra or {}).get("lr") for group in optim.groups)]
    highest = max((rate for rate in rates if isinstance(rate, int | float)), default=None)
    if tuned is not None and highest is not None and (tuned.largest_lr is None or highest > tuned.largest_lr):
        most = (
            "every rate that was tried" if tuned.largest_lr is None else f"a learning rate above {tuned.largest_lr:g}"
        )
        found.append(f"warning: {most} spoiled {name} when fine-tuning was tried, and optim.lr is {highest:g}")
    if not data.shape:
        return found
    channels, *size = data.shape
    if input_.trained_at is not None and input_.trained_at != size:
        at, now = ("x".join(map(str, each)) for each in (input_.trained_at, size))
        found.append(f"warning: {name} was trained at {at}, and the images are {now}")
    if input_.channels is not None and input_.channels != channels:
        found.append(f"warning: {name} was trained on {input_.channels} channels, and the images have {channels}")
    meaning = channel_meaning(channels)
    if input_.meaning is not None and meaning is not None and input_.meaning != meaning:
        found.append(f"warning: {name} was trained on {input_.meaning}, and the images are {meaning}")
    return found


def _head(model: nn.Module) -> set[str]:
    found = {name for name in model.state_dict() if _under(name, HEADS)}
    if not found:
        modules = ", ".join(name for name, _ in model.named_children())
        raise UsageError(
            f"model.new_head is true, and the network has none of {', '.join(HEADS)}; it has {modules or 'no modules'}"
        )
    return found


def _under(name: str, modules: Iterable[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"]

"""Parts of stored networks in other networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.blocks.parts import name_at
from plainnet.errors import UsageError, nearest, not_written
from plainnet.files.tensor_files import read_tensors, write_tensors
from plainnet.store.layout import RECORD, WEIGHTS
from plainnet.store.matching import Matching, match
from plainnet.store.reading import record_of
from plainnet.store.record import Record, read_record

if TYPE_CHECKING:
    from torch import nn

__all__ = ["load_into", "own_name", "part_prefixes_in", "prefixes_of", "record_beside", "under"]


def record_beside(weights: Path) -> Record | None:
    """The record of a weights file that lies in a store; None for any other file."""
    path = weights.parent / RECORD
    return read_record(path) if weights.name == WEIGHTS and path.is_file() else None


def prefixes_of(record: Record, parts: Iterable[str]) -> tuple[str, ...]:
    """How the names of a part's tensors begin; `UsageError` for a part that the network does not have."""
    known = record.structure.parts
    for part in parts:
        if part not in known:
            near = nearest(part, known)
            hint = f"; did you mean {near}?" if near else ""
            name = f"{record.identity.name}.{record.identity.tag}"
            raise UsageError(f"{name} has no part {part!r}; it has {', '.join(known) or 'none'}{hint}")
    return tuple(prefix for part in parts for prefix in known[part])


def part_prefixes_in(module: nn.Module, parts: Iterable[str], otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """How the names of these parts' tensors begin in the network that takes them; `otherwise` where it is no PlainNet, whose
    parts nobody knows. `UsageError` for a part that it does not have.
    """
    from plainnet.network.plain_net import PlainNet

    if not isinstance(module, PlainNet):
        return otherwise
    known = module.part_prefixes
    for part in parts:
        if part not in known:
            near = nearest(part, known)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"the network has no part {part!r}; it has {', '.join(known)}{hint}")
    return tuple(known[part] for part in parts)


def own_name(module: nn.Module, name: str) -> str:
    """The name that a tensor of such a network has in this one: with the parts in which it is, or without."""
    from plainnet.network.plain_net import PlainNet

    return name_at(name, module.places) if isinstance(module, PlainNet) else name


def under(name: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a tensor belongs to the parts of these prefixes; no prefixes are all of the network."""
    return not prefixes or name.startswith(prefixes)


def load_into(
    root: Path,
    name: str,
    parts: Sequence[str],
    module: nn.Module,
    header: Mapping[str, str],
    out: Path,
    *,
    skip: Sequence[str] = (),
    fresh: Sequence[str] = (),
) -> Matching:
    """Write a file with the tensors of `module`, in which those of a stored network, or of its parts, stand; the result says
    which. What is of other parts stays new.

    skip, fresh: patterns of what need not be taken, or stays new. Raises `UsageError` where something of the parts is left
    over, or the file is there.
    """
    _, folder, record = record_of(root, name)
    prefixes = prefixes_of(record, parts)
    found, _ = read_tensors(folder / WEIGHTS, ours=True)
    target = module.state_dict()
    own_prefixes = part_prefixes_in(module, parts, prefixes)
    other = [key for key in target if not under(key, own_prefixes)]
    matching = match(
        {key: value for key, value in found.items() if under(key, prefixes)},
        {key: value for key, value in target.items() if under(key, own_prefixes)},
        rules=lambda key: own_name(module, key),
        skip=skip,
        fresh=fresh,
    )
    what = f"{record.identity.name}.{record.identity.tag}" + (f" ({', '.join(parts)})" if parts else "")
    matching.check(what)
    whole = {**target, **{own: found[source] for own, (source, _) in matching.taken.items()}}
    if out.exists():
        raise UsageError(f"{out} is there already; accepted: another -o FILE")
    try:
        write_tensors(out, whole, metadata=header)
    except OSError as error:
        out.unlink(missing_ok=True)
        raise not_written(out, error) from error
    values: dict[str, Any] = vars(matching) | {"fresh": [*matching.fresh, *other]}
    return Matching(**values)

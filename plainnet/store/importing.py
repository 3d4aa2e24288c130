"""Weights of other programs as a network of the store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet import __version__
from plainnet.blocks.parts import block_places, name_at
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import RunError, UsageError
from plainnet.files.file_kinds import reading
from plainnet.files.pickled_tensors import SUFFIXES, read_pickled_tensors
from plainnet.files.tensor_files import read_tensors, write_tensors
from plainnet.store.describing import channel_meaning, describe_network
from plainnet.store.keeping import keep
from plainnet.store.matching import Matching, match, read_rules
from plainnet.store.record import Code, Data, Identity, Input, Record
from plainnet.store.tensor_order import as_made

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Foreign", "Wanted", "header_of", "import_weights", "read_foreign"]

TO_COME = "0" * 64
UNORDERED = ".safetensors"
"""Files whose tensors stand in the order of their names, not in that of the program."""


@dataclass(frozen=True)
class Wanted:
    """The network that weights are imported as, and what is said of it; None for what nobody said.

    num_classes: None for what the file's last matrix says. mean, std: of the pixels in 0..1.
    """

    structure: Structure
    size: tuple[int, int]
    norm_eps: float
    name: str
    tag: str
    variant: Variant = PLAIN
    num_classes: int | None = None
    task: str = "cls"
    family: str | None = None
    licence: str | None = None
    tags: Sequence[str] = ()
    classes: Sequence[str] | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    data: str | None = None
    data_version: str | None = None
    paper_url: str | None = None


@dataclass(frozen=True)
class Foreign:
    """Tensors as they were matched, not stored yet. notes: what was done with them."""

    wanted: Wanted
    tensors: Mapping[str, Tensor]
    matching: Matching
    notes: tuple[str, ...]

    def check(self, source: Path) -> None:
        """`UsageError` where something is left over that nobody accounted for, or a value is not finite."""
        import torch

        self.matching.check(f"{source}, as {self.wanted.name},", self.notes)
        odd = [name for name, value in self.tensors.items() if not bool(torch.isfinite(value).all())]
        if odd:
            raise UsageError(f"{source} holds values that are not finite: {', '.join(odd[:3])}")


def read_foreign(
    path: Path,
    wanted: Wanted,
    *,
    rules: str | None = None,
    take: str | None = None,
    skip: Sequence[str] = (),
    fresh: Sequence[str] = (),
) -> Foreign:
    """The tensors of a file under the network's names: by name, by the rules, by order and shape. Runs no code of the file's.

    rules: a layout that ships (`plainnet.store.matching.LAYOUTS`), or a file. Raises `UsageError` for a file that cannot be read,
    and what `match` raises.
    """
    found = _read(path, take)
    said, places = read_rules(rules, list(found)), block_places(wanted.structure)

    def rule(name: str) -> str:
        return name_at((said(name) if said is not None else None) or name, places)

    is_ordered = path.suffix != UNORDERED
    wanted, notes = _with_classes(wanted, found, is_ordered)
    target = _state(wanted)
    matching = match(found, target, rules=rule, by_order=True, is_ordered=is_ordered, skip=skip, fresh=fresh)
    matching.check_kinds(f"{path}, as {wanted.name},", found, target)
    if matching.skipped and not is_ordered and as_made(matching.skipped) is None:
        notes.append(
            f"a {path.suffix} file keeps no order of its tensors, and it does not follow from their names: those that no"
            " rule names are not matched by order"
        )
    tensors = {name: found[source].reshape(target[name].shape) for name, (source, _) in matching.taken.items()}
    kinds = {str(value.dtype).removeprefix("torch.") for value in tensors.values() if value.dtype.is_floating_point}
    if kinds - {"float32"}:
        notes.append(f"converted from {', '.join(sorted(kinds - {'float32'}))} to float32")
    tensors = {name: value.to(target[name].dtype) for name, value in tensors.items()}
    return Foreign(wanted, tensors, matching, tuple(notes))


def import_weights(root: Path, foreign: Foreign, *, source: Path) -> Record:
    """Put matched weights into the store; `UsageError` where something is left over that nobody accounted for, or a value is not
    finite.
    """
    import torch

    foreign.check(source)
    wanted = foreign.wanted
    described = describe_network(
        wanted.structure,
        wanted.size,
        classes=wanted.classes,
        num_classes=wanted.num_classes,
        variant=wanted.variant,
        norm_eps=wanted.norm_eps,
    )
    fresh = [name for name in foreign.matching.fresh if not name.endswith("num_batches_tracked")]
    record = Record(
        identity=Identity(
            digest=TO_COME,
            name=wanted.name,
            tag=wanted.tag,
            family=wanted.family or described.family,
            kind="network",
            task=wanted.task,
            paper=described.paper_at(wanted.paper_url),
            licence=wanted.licence,
            tags=list(wanted.tags),
        ),
        structure=described.structure,
        input=_input_of(wanted),
        outputs=described.outputs,
        data=Data(name=wanted.data, version=wanted.data_version),
        cost=described.cost,
        code=Code(plainnet=__version__, torch=str(torch.__version__)),
        extra={"imported": {"from": source.name, "notes": list(foreign.notes)}} | ({"new": fresh} if fresh else {}),
    )
    state = _state(wanted, made=True)
    whole = {name: foreign.tensors.get(name, value) for name, value in state.items()}
    header = _header(wanted)
    return keep(root, record, lambda path: write_tensors(path, whole, metadata=header))


def _input_of(wanted: Wanted) -> Input:
    """How the network's images are read, as far as somebody said so."""
    return Input(
        trained_at=list(wanted.size),
        channels=wanted.structure.in_channels,
        meaning=channel_meaning(wanted.structure.in_channels) if wanted.mean is not None else None,
        mean=None if wanted.mean is None else list(wanted.mean),
        std=None if wanted.std is None else list(wanted.std),
        range=None if wanted.mean is None else [0.0, 1.0],
        reader=None if wanted.mean is None else {"crop": 1.0, "invert": False, "read_size": None},
    )


def _read(path: Path, take: str | None) -> dict[str, Tensor]:
    with reading(path, "file of weights"):
        return _tensors(path, take)


def _tensors(path: Path, take: str | None) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"there is no file {path}; accepted: a .safetensors file, or one that torch saved")
    if path.suffix == UNORDERED:
        if take is not None:
            raise UsageError(f"{path} holds one network: --take is for files that torch saved")
        try:
            return read_tensors(path)[0]
        except RunError as error:
            raise UsageError(str(error)) from None
    if path.suffix not in SUFFIXES:
        raise UsageError(f"{path} ends in {path.suffix or 'nothing'}; accepted: .safetensors, {', '.join(SUFFIXES)}")
    return read_pickled_tensors(path, take=take)


def _with_classes(wanted: Wanted, found: Mapping[str, Tensor], is_ordered: bool) -> tuple[Wanted, list[str]]:
    """The number of classes is that of the file's last matrix where nobody says it."""
    from dataclasses import replace

    if wanted.num_classes is not None:
        return wanted, []
    matrices = [name for name, value in found.items() if value.dim() == 2]
    if not matrices:
        return replace(wanted, num_classes=0), ["no classifier: the file holds no matrix"]
    named = [name for name in matrices if name.rpartition(".")[0].rpartition(".")[2] in ("head", "fc", "classifier")]
    order = (named or matrices) if is_ordered else as_made(named or matrices)
    if order is None:
        raise UsageError(
            f"which of {len(named or matrices)} matrices is the classifier does not follow from their names:"
            f" {', '.join((named or matrices)[:3])}, ...; accepted: --num-classes N"
        )
    return replace(wanted, num_classes=len(found[order[-1]])), [
        f"{len(found[order[-1]])} classes, the rows of {order[-1]}"
    ]


def _state(wanted: Wanted, *, made: bool = False) -> dict[str, Tensor]:
    """The network's own tensors: of the shapes alone, or made."""
    import torch

    from plainnet.network.plain_net import PlainNet

    generator_state = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        with torch.device("cpu" if made else "meta"):
            net = PlainNet(
                wanted.structure,
                num_classes=wanted.num_classes,
                resolution=wanted.size,
                variant=wanted.variant,
                norm_eps=wanted.norm_eps,
                init="zennas" if made else "default",
            )
    finally:
        torch.set_rng_state(generator_state)
    return dict(net.state_dict())


def header_of(
    structure: Structure, *, num_classes: int | None, resolution: tuple[int, int], variant: Variant, norm_eps: float
) -> dict[str, str]:
    """What a training run would say of the weights of a network, of what follows from it."""
    options = {**variant.options(), "num_classes": num_classes, "norm_eps": norm_eps}
    found: dict[str, Any] = {
        "model": {"type": "PlainNet", "structure": str(structure), **options},
        "shape": [structure.in_channels, *resolution],
        "variant": variant.options(),
        "norm_eps": norm_eps,
        "num_classes": num_classes,
    }
    texts = {key: json.dumps(value) for key, value in found.items()}
    return {**texts, "structure": str(structure), "structure_hash": structure.hash, "plainnet": __version__}


def _header(wanted: Wanted) -> dict[str, str]:
    """The same, and what was said."""
    found: dict[str, Any] = {}
    if wanted.classes is not None:
        found["classes"] = list(wanted.classes)
    if wanted.task == "cls":
        found["task"] = {"type": "Classification"}
    if wanted.mean is not None and wanted.std is not None:
        found |= {"mean": list(wanted.mean), "std": list(wanted.std), "reader": {}}
    common = header_of(
        wanted.structure,
        num_classes=wanted.num_classes,
        resolution=wanted.size,
        variant=wanted.variant,
        norm_eps=wanted.norm_eps,
    )
    return common | {key: json.dumps(value) for key, value in found.items()}

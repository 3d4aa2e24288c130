"""Weights that are carried over into an export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from plainnet.blocks.parts import block_places, name_in_blocks
from plainnet.errors import RunError, UsageError
from plainnet.export.network import Network
from plainnet.export.story import Story, read_story
from plainnet.files.exported_tensors import exported_header
from plainnet.files.pickled_tensors import read_pickled_tensors
from plainnet.files.tensor_files import other_kinds
from plainnet.network.torchvision_weights import from_torchvision, looks_like_torchvision

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Weights", "read_weights"]

_SHOWN = 3
"""How many keys of each kind an error lists."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a file under PlainNet's names, and what the file says of them."""

    path: Path
    tensors: Mapping[str, Tensor]
    story: Story

    @property
    def classes(self) -> int | None:
        """The number of classes that the weights were trained for; 0 if they have no classifier of PlainNet's, and None
        if that is not to be seen: a structure may end in its own.
        """
        head = self.tensors.get("head.weight")
        if head is not None:
            return int(head.shape[0])
        return 0 if any(key.startswith(("blocks.", "backbone.")) for key in self.tensors) else None

    def of(self, network: Network) -> dict[str, Tensor]:
        """The tensors in the network's order, each contiguous and with memory of its own.

        Raises `UsageError` if they are of another network, were trained in another variant, or are not finite.
        """
        import torch

        with torch.device("meta"):
            expected = network.build("default").state_dict()
        places = block_places(network.structure)
        tensors = {name_in_blocks(key, places): tensor for key, tensor in self.tensors.items()}
        problems = [
            *_listed("missing", [key for key in expected if key not in tensors]),
            *_listed("unknown", [key for key in tensors if key not in expected]),
            *_listed("of another shape", _misfits(tensors, expected)),
            *_listed("of another type", other_kinds(tensors, expected)),
        ]
        if problems:
            raise UsageError(f"{self.path} holds no weights of {network.title}: {'; '.join(problems)}")
        self._check_variant(network)
        odd = [key for key in expected if not bool(torch.isfinite(tensors[key]).all())]
        if odd:  # nothing could be compared with what such a network puts out
            raise UsageError(f"{self.path} holds values that are not finite: {_listed('tensors', odd)[0]}")
        copied = {key: tensors[key].detach().cpu() for key in expected}
        return {key: value.clone(memory_format=torch.contiguous_format) for key, value in copied.items()}

    def _check_variant(self, network: Network) -> None:
        """What changes the outputs and no shape is compared by what the file says."""
        story = self.story
        if story.structure_hash is not None and story.structure_hash != network.structure.hash:
            raise UsageError(
                f"{self.path} was trained as the structure {story.structure_hash}, and {network.structure.hash} is to be "
                "exported: the same tensors with other strides or activations are another network"
            )
        if story.variant is not None and story.variant != network.variant:
            said, meant = (str(variant) or "no variant" for variant in (story.variant, network.variant))
            raise UsageError(f"{self.path} was trained with {said}, and the network to export has {meant}")
        if story.norm_eps is not None and story.norm_eps != network.norm_eps:
            raise UsageError(
                f"{self.path} was trained with a batch norm epsilon of {story.norm_eps}, the network has {network.norm_eps}"
            )
        if story.shape is not None and story.shape[0] != network.shape.channels:
            raise UsageError(
                f"{self.path} was trained on {story.shape[0]} channels, the network takes {network.shape.channels}"
            )


def read_weights(path: str | Path) -> Weights:
    """The tensors of a file: safetensors, or a state_dict that torch saved, which is read without running any code of the
    file's; PlainNet's own names, or those of a ResNet of torchvision's or timm's.

    Raises `UsageError` if the file cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        raise UsageError(
            f"no file {path}; accepted: weights as safetensors, or a state_dict that torch saved (.pt, .pth)"
        )
    if path.suffix in (".pt", ".pth"):
        said = exported_header(path)
        tensors, story = read_pickled_tensors(path), Story() if said is None else read_story(said, path)
    else:
        tensors, story = _load_safetensors(path)
    return Weights(path, from_torchvision(tensors) if looks_like_torchvision(tensors) else tensors, story)


def _load_safetensors(path: Path) -> tuple[dict[str, Tensor], Story]:
    from plainnet.files.tensor_files import read_tensors

    try:
        tensors, metadata = read_tensors(path)
    except RunError as error:
        raise UsageError(str(error)) from None
    return tensors, read_story(metadata, path)


def _misfits(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    return [
        f"{key} {list(tensors[key].shape)} where {list(tensor.shape)} is meant"
        for key, tensor in expected.items()
        if key in tensors and tensors[key].shape != tensor.shape
    ]


def _listed(what: str, keys: list[str]) -> list[str]:
    if not keys:
        return []
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return [f"{len(keys)} {what}: {', '.join(keys[:_SHOWN])}{more}"]

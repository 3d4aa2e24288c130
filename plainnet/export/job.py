"""One export: what is written, where, and with which weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from plainnet import __version__
from plainnet.export.literals import literal
from plainnet.export.network import Network
from plainnet.export.source.check import check_model_source
from plainnet.export.source.model import model_source
from plainnet.export.story import Story
from plainnet.files.whole_files import write_saved

if TYPE_CHECKING:
    from torch import Tensor

    from plainnet.network.plain_net import PlainNet

__all__ = ["Job", "Usage"]


class Usage(NamedTuple):
    """What the README says of a folder, one line each; `note` is what a person has to know before, "" for nothing."""

    train: str
    use: str
    note: str = ""


@dataclass(frozen=True)
class Job:
    """What a target gets: it writes into `folder`, which is empty.

    weights: the tensors to carry over, by their names in `PlainNet`; None for none.
    seed: of the weights where a target needs some and none are given.
    story: what is known of the weights.
    """

    network: Network
    folder: Path
    weights: dict[str, Tensor] | None = None
    seed: int = 0
    story: Story = field(default_factory=Story)

    def metadata(self) -> dict[str, str]:
        """What a file of weights or a graph says of itself: the network, and the story of its weights."""
        network = self.network
        found = {
            "plainnet": __version__,
            "name": network.title,
            "structure": str(network.structure),
            "structure_hash": network.structure.hash,
            "variant": json.dumps(network.variant.options()),
            "norm_eps": repr(network.norm_eps),
            "input": json.dumps(network.shape.as_list()),
            "num_classes": str(network.classes),
        }
        return found | dict(self.story.texts)

    def extra_files(self) -> dict[str, str]:
        """`metadata` for torch's own formats, which carry files: one of JSON."""
        return {"plainnet.json": json.dumps(self.metadata(), indent=2)}

    def write(self, name: str, text: str) -> None:
        """Write one text file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def save_safetensors(self, name: str, *, head_of: int | None = None) -> None:
        """Save the weights, if there are any, as safetensors; with a fresh classifier of `head_of` classes if they have
        none.
        """
        if self.weights is None:
            return
        from plainnet.files.tensor_files import write_tensors

        tensors, metadata = self.weights, self.metadata()
        if head_of and not self.network.classes:
            metadata["num_classes"] = str(head_of)
            module = replace(self, network=replace(self.network, num_classes=head_of), weights=None).module
            tensors = {**module.state_dict(), **tensors}
        write_tensors(self.folder / name, tensors, metadata=metadata)

    def write_bytes(self, name: str, save: Callable[[BytesIO], object]) -> None:
        """Write what `save` puts into a buffer; see `write_saved`."""
        write_saved(self.folder / name, save)

    def write_model(self) -> None:
        """Write `model.py`, which has been read back, built and compared."""
        source = model_source(self.network)
        check_model_source(source, self.network)
        self.write("model.py", source)

    def write_data(self) -> None:
        """Write `data.py`, with the images' mean and deviation that the weights were trained with."""
        replacements = {}
        if self.story.mean is not None and self.story.std is not None:
            mean, std = (
                f"torch.tensor({literal(values)})[:, None, None]" for values in (self.story.mean, self.story.std)
            )
            replacements["MEAN, STD = 0.45, 0.25"] = f"MEAN = {mean}\nSTD = {std}"
        self.write_template("data.py", "data.py", **replacements)

    def write_template(self, template: str, name: str, **replacements: str) -> None:
        """Write a file of `plainnet/export/templates`, with NAMES in it replaced."""
        text = files("plainnet.export.templates").joinpath(template).read_text(encoding="utf-8")
        for word, replacement in replacements.items():
            text = text.replace(word, replacement)
        self.write(name, text)

    def save_weights(self, name: str) -> None:
        """Save the weights, if there are any, for `torch.load(name, weights_only=True)`."""
        if self.weights is not None:
            import torch

            self.write_bytes(name, partial(torch.save, self.weights))

    @cached_property
    def module(self) -> PlainNet:
        """The network in evaluation mode, with the weights, or as the seed initialises it."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            module = self.network.build()
        if self.weights is not None:
            module.load_state_dict(self.weights)
        return module.eval()

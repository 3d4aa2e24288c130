"""One export: what is written, where, and with which weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from plainnet.export.network import Network
from plainnet.export.source.check import check_model_source
from plainnet.export.source.model import model_source

if TYPE_CHECKING:
    from torch import Tensor

    from plainnet.net import PlainNet

__all__ = ["Job", "Usage"]


class Usage(NamedTuple):
    """What the README says of a folder, one line each."""

    train: str
    use: str


@dataclass(frozen=True)
class Job:
    """What a target gets: it writes into `folder`, which is empty.

    weights: the tensors to carry over, by their names in `PlainNet`; None for none.
    seed: of the weights where a target needs some and none are given.
    """

    network: Network
    folder: Path
    weights: dict[str, Tensor] | None = None
    seed: int = 0

    def write(self, name: str, text: str) -> None:
        """Write one text file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def save_safetensors(self, name: str, *, head_of: int | None = None) -> None:
        """Save the weights, if there are any, as safetensors; with a fresh classifier of `head_of` classes if they have
        none.
        """
        if self.weights is None:
            return
        from plainnet.tensor_files import write_tensors

        tensors = self.weights
        if head_of and not self.network.classes:
            module = replace(self, network=replace(self.network, num_classes=head_of), weights=None).module
            tensors = {**module.state_dict(), **tensors}
        write_tensors(self.folder / name, tensors)

    def write_bytes(self, name: str, save: Callable[[BytesIO], object]) -> None:
        """Write what `save` puts into a buffer.

        torch's own writer ends the process where the disk is full: it gets no file, but memory.
        """
        buffer = BytesIO()
        save(buffer)
        (self.folder / name).write_bytes(buffer.getbuffer())

    def write_model(self) -> None:
        """Write `model.py`, which has been read back, built and compared."""
        source = model_source(self.network)
        check_model_source(source, self.network)
        self.write("model.py", source)

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

"""What is exported: a structure with everything that decides about its modules."""

from __future__ import annotations

import builtins
import keyword
import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from plainnet.blocks.levels import FeatureInfo, feature_levels
from plainnet.blocks.network_counts import NetworkCounts, count_network
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.errors import StructureError
from plainnet.export.literals import checked_name
from plainnet.network.published import INIT_GAIN, NORM_EPS

if TYPE_CHECKING:
    from plainnet.network.plain_net import PlainNet

__all__ = ["Network"]

TAKEN = {
    *dir(builtins),
    *keyword.kwlist,
    *keyword.softkwlist,
    *("nn", "functional", "model", "timm_model", "default_cfgs"),
}
TAKEN |= {"build_model_with_cfg", "generate_default_cfgs", "register_model"}
"""Names that a function of the network's name would hide."""


@dataclass(frozen=True)
class Network:
    """A network to export: the structure, its variant, the size that it is meant for, and its classifier.

    num_classes: outputs of the classifier; 0 for none.
    name: what the network is called in files (letters, digits, `_`, `.` and `-`); the structure's hash by default.
    norm_eps: epsilon of the batch norms.

    Raises `UsageError` for a name of other characters.
    """

    structure: Structure
    resolution: int | tuple[int, int] = 224
    num_classes: int = 1000
    variant: Variant = PLAIN
    name: str = ""
    norm_eps: float = NORM_EPS

    def __post_init__(self) -> None:
        if not isinstance(self.structure, Structure):
            raise TypeError(
                f"a Network is made of a Structure, not of {self.structure!r:.60}; plainnet.parse reads a string"
            )
        if self.name:
            checked_name(self.name)

    @cached_property
    def shape(self) -> Shape:
        """The input (C, H, W)."""
        return as_input_shape(self.structure.in_channels, self.resolution)

    @cached_property
    def counts(self) -> NetworkCounts:
        """What the network costs; `StructureError` if the input is too small for it."""
        return count_network(self.structure, self.shape, num_classes=self.num_classes or None, variant=self.variant)

    @property
    def title(self) -> str:
        return self.name or f"net_{self.structure.hash}"

    @property
    def identifier(self) -> str:
        """The title as a Python name in lower case, and none that Python or the source uses."""
        text = re.sub(r"\W", "_", self.title, flags=re.ASCII).lower()
        text = text if text[:1].isalpha() else f"net_{text}"
        return f"{text}_net" if text in TAKEN else text

    @property
    def brings_head(self) -> bool:
        """Whether the structure ends in a vector, and so in its own classifier."""
        return self.counts.feature_shape.is_vector

    @cached_property
    def takes_any_size(self) -> bool:
        """Whether images of other sizes fit: not where a vector's features depend on the map, or branches meet that
        have one size by chance only.
        """
        height, width = self.shape.height, self.shape.width
        for other in ((2 * height, 2 * width), (2 * height + 1, 3 * width + 2), (4 * height + 3, 4 * width + 1)):
            try:
                counts = replace(self, resolution=other).counts
            except StructureError:
                return False
            if (counts.params, counts.output_shape) != (self.counts.params, self.counts.output_shape):
                return False
        return True

    @cached_property
    def levels(self) -> tuple[FeatureInfo, ...]:
        """The levels of features, the largest map first."""
        return feature_levels(self.structure, self.shape, variant=self.variant)

    def options(self) -> dict[str, Any]:
        """The keyword arguments that `PlainNet` is made with."""
        options: dict[str, Any] = {"num_classes": self.num_classes or None, "in_channels": self.shape.channels}
        return options | {"resolution": self.resolution, "norm_eps": self.norm_eps} | self.variant.options()

    @property
    def classes(self) -> int:
        """How many numbers the classifier puts out, the structure's own one included; 0 without any."""
        return self.counts.output_shape.channels if self.brings_head else self.num_classes

    def constants(self) -> dict[str, Any]:
        """The constants of `model.py`, by name."""
        return {
            "STRUCTURE": str(self.structure),
            "IN_CHANNELS": self.shape.channels,
            "RESOLUTION": (self.shape.height, self.shape.width),
            "NUM_CLASSES": self.classes,
            "OWN_HEAD": self.brings_head,
            "ANY_SIZE": self.takes_any_size,
            "NUM_FEATURES": self.counts.feature_shape.channels,
            "NORM_EPS": self.norm_eps,
            "INIT_GAIN": INIT_GAIN,
        }

    def build(self, init: str = "zennas") -> PlainNet:
        """The network as a torch module, its tensors named by blocks as in the source; draws from torch's global generator."""
        from plainnet.network.plain_net import PlainNet

        return PlainNet(self.structure, init=init, in_parts=False, **self.options())

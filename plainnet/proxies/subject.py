"""What is scored, and with what: a structure or a module, and the arguments that a proxy's function gets for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plainnet.blocks.base import PlainNetBasicBlockClass
from plainnet.blocks.network_table import NetworkTable
from plainnet.blocks.registry import on_change
from plainnet.blocks.rows.block_rows import block_rows
from plainnet.blocks.rows.memo import MemoFamily
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.rows.walk import Row
from plainnet.blocks.structure import Structure
from plainnet.errors import NoFeatureMapError, StructureError, UsageError
from plainnet.network.network_names import NamedNetwork, as_network, is_name
from plainnet.proxies.catalogue import SHIPPED, find_proxy
from plainnet.proxies.contract import Proxy

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Request", "Subject", "as_subject", "check_strides"]

Size = int | tuple[int, int]
_TENSORS = frozenset({"module", "images", "labels", "device"})
"""Inputs that torch is needed for."""
_OF_STRUCTURES = frozenset({"structure", "table"})
"""Inputs that a module does not have."""


@dataclass(frozen=True)
class Request:
    """The settings of a score; see `plainnet.proxies.score.score`."""

    resolution: Size | None
    batch: int
    repeats: int
    seed: int
    device: Any
    images: Tensor | None
    labels: Tensor | str | None
    num_classes: int | None
    init: str | None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> Size:
        """The input size: R or (H, W)."""
        if self.resolution is not None:
            return self.resolution
        if self.images is None:
            return 224
        height, width = self.images.shape[-2:]
        return height if height == width else (height, width)

    def check(self, made: Proxy) -> None:
        """`UsageError` for settings that do not go together."""
        for name, value in (("batch", self.batch), ("repeats", self.repeats)):
            if value < 1:
                raise UsageError(f"{name} is {value}; accepted: 1 or more")
        if isinstance(self.labels, str) and self.labels != "random":
            raise UsageError(f"labels are {self.labels!r}; accepted: a tensor of classes, or 'random'")
        if "labels" in made.needs and self.labels is None:
            raise UsageError(
                f"{made.name} needs labels; accepted: images and labels of a data set, or labels='random' "
                "(on the command line: --data FILE, or --labels random)"
            )
        if self.images is not None:
            self._check_images(made)
        elif self.labels is not None and not isinstance(self.labels, str):
            raise UsageError("there are labels and no images; accepted: both, or labels='random'")

    def _check_images(self, made: Proxy) -> None:
        images, labels = self.images, self.labels
        assert images is not None
        if images.dim() != 4:
            raise UsageError(f"images are a tensor of {tuple(images.shape)}; accepted: (M, C, H, W)")
        wanted = self.batch * made.batches
        if len(images) < wanted and "images" in made.needs:
            raise UsageError(
                f"{made.name} takes {wanted} images and there are {len(images)}; accepted: a smaller batch"
            )
        if labels is not None and not isinstance(labels, str) and tuple(labels.shape) != (len(images),):
            raise UsageError(f"labels are a tensor of {tuple(labels.shape)} for {len(images)} images; accepted: (M,)")
        size = as_input_shape(1, self.size)[1:]
        if tuple(images.shape[2:]) != size:
            raise UsageError(f"images are {tuple(images.shape[2:])}, and the resolution is {size}")


@dataclass(frozen=True)
class Subject:
    """A network to be scored."""

    structure: Structure | None
    """None for a module that is no structure"""
    module: nn.Module | None
    """None for a structure: then modules are built"""
    network: Variant
    in_channels: int
    named: NamedNetwork | None = None
    """what is known of a network that was named"""
    reading: tuple[str, ...] = ()
    """what a reader should know about how it was read"""

    @property
    def identity(self) -> str:
        """What seeds are derived from."""
        return self.structure.hash if self.structure is not None else type(self.module).__qualname__

    @property
    def name(self) -> str:
        return self.identity if self.structure is None else f"#{self.structure.hash}"

    def is_random(self, made: Proxy) -> bool:
        """Whether a value of this module depends on a seed: its weights do not, unless the proxy draws them."""
        inputs = made.inputs(of_module=True)
        return any(name in inputs for name in ("images", "labels", "seed", "seeds", "batch"))

    def device_name(self, request: Request) -> Any:
        """Where the work is done."""
        if request.device is not None or self.module is None:
            return request.device or "cpu"
        tensors = [*self.module.parameters(), *self.module.buffers()]
        return tensors[0].device if tensors else "cpu"

    def plain_arguments(self, made: Proxy, request: Request) -> dict[str, Any]:
        """What fills the parameters of a proxy that is exact, of a structure."""
        return {name: self._plain_input(name, request, ()) for name in made.inputs()}

    @contextmanager
    def arguments(self, made: Proxy, request: Request, seeds: Sequence[int]) -> Iterator[tuple[Any, dict[str, Any]]]:
        """The function of a proxy for this network, and what fills its parameters; all is left as found afterwards."""
        other = self.structure is None
        function = made.of_module if other and made.of_module is not None else made.function
        inputs = made.inputs(of_module=other)
        if other and not _OF_STRUCTURES.isdisjoint(inputs):
            raise UsageError(
                f"{made.name} is worked out from a structure string; a module has none. Accepted for it: {_of_modules()}"
            )
        if self.structure is not None and self.structure.output_names and not _TENSORS.isdisjoint(inputs):
            names = ", ".join(self.structure.output_names)
            raise NoFeatureMapError(
                f"{made.name} is of a network with one output, and this one puts out several: {names}"
            )
        if _TENSORS.isdisjoint(inputs):
            yield function, {name: self._plain_input(name, request, seeds) for name in inputs}
            return
        from plainnet.proxies.sampled.tensors import lent_tensors

        with ExitStack() as stack:
            lent = stack.enter_context(lent_tensors(self, made, request, seeds[0], inputs))
            yield (
                function,
                {name: lent[name] if name in lent else self._plain_input(name, request, seeds) for name in inputs},
            )

    def _plain_input(self, name: str, request: Request, seeds: Sequence[int]) -> Any:
        """What fills a parameter that is no tensor."""
        if name == "structure":
            return self.structure
        if name == "table":
            return self.table(request.size)
        if name == "resolution":
            return request.size
        if name == "network":
            return self.network
        if name == "batch":
            return request.batch
        if name == "input_shape":
            return tuple(as_input_shape(self.in_channels, request.size))
        if name == "num_classes":
            return self.classes(request)
        return {"seed": seeds[0], "seeds": seeds}[name]

    def table(self, size: Size) -> NetworkTable:
        """A structure at an input size."""
        assert self.structure is not None, "a module has no table"
        return self.structure.at(as_input_shape(self.structure.in_channels, size), variant=self.network)

    def classes(self, request: Request) -> int:
        """The outputs of the classifier that a structure gets."""
        if request.num_classes is not None:
            return request.num_classes
        if request.labels is None or isinstance(request.labels, str):
            return 1000
        return int(request.labels.max()) + 1


def _of_modules() -> str:
    """The names of the shipped proxies that a module has a score of."""
    return ", ".join(name for name in SHIPPED if _OF_STRUCTURES.isdisjoint(find_proxy(name).inputs(of_module=True)))


def as_subject(network: Any, variant: Variant, in_channels: int) -> Subject:
    """A string, a name, a structure, or a module; a `PlainNet` is both: a structure with weights."""
    if isinstance(network, Structure) or is_name(network):
        named = as_network(network)
        if named.structure is None:
            return Subject(None, named.module, variant, in_channels, named, named.notes)
        return Subject(named.structure, None, named.varied(variant), named.structure.in_channels, named, named.notes)
    torch_nn = sys.modules.get("torch.nn")
    if torch_nn is None or not isinstance(network, torch_nn.Module):
        raise UsageError(
            f"a {type(network).__name__} cannot be scored; accepted: a structure string, a name, or an nn.Module"
        )
    from plainnet.network.plain_net import PlainNet

    if isinstance(network, PlainNet):
        return Subject(network.structure, network, network.variant, network.structure.in_channels)
    return Subject(None, network, variant, in_channels)


def check_strides(subject: Subject, size: Size) -> None:
    """`StructureError` if a stride has nothing left to go over."""
    if subject.structure is None:
        return
    found = _first_stride(subject.table(size))
    if not found:
        return
    square = max(size) if isinstance(size, tuple) else size
    enough = next((r for r in range(square + 1, 8 * square + 1024) if not _first_stride(subject.table(r))), None)
    accepted = f"; accepted: {enough} or more" if enough else ""
    raise StructureError(
        f"an input of {size} is too small for the strides: {found} gets a map of one element{accepted}"
    )


_strides: MemoFamily[tuple[str, Shape], str] = MemoFamily(50_000)
"""Of known blocks: the first layer that strides over a map of one element, and "" where none does."""
on_change(_strides.clear)


def _first_stride(table: NetworkTable) -> str:
    """The first layer that strides over a map of one element; "" if there is none."""
    found: str = table.remembered("stride over one element", lambda: _find_stride(table))
    return found


def _find_stride(table: NetworkTable) -> str:
    memo, is_chain = _strides[table.variant], table.structure.is_plain
    for number, (block, shape) in enumerate(zip(table.blocks, table.shapes, strict=False) if is_chain else table.units):
        found = memo.get((block.text, shape))
        if found is None:
            found = memo[block.text, shape] = _stride_in_block(block, shape, table.variant)
        if found:
            return f"{number}{found}" if is_chain else _stride_in_rows(table.rows())
    return ""


def _stride_in_block(block: PlainNetBasicBlockClass, shape: Shape, network: Variant) -> str:
    """The same inside of a block, behind the block's number; "" if there is none."""
    rows, _ = block_rows(block, shape, network)
    return _stride_in_rows(rows).removeprefix("0")


def _stride_in_rows(rows: Sequence[Row]) -> str:
    for row in rows:
        stride = getattr(row.layer, "stride", 1)
        if stride > 1 and not row.in_shape.is_vector and row.in_shape.height * row.in_shape.width == 1:
            return f"{row.path} (stride {stride})"
    return ""

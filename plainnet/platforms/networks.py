"""A PlainNet on a platform: `net.to_platform("openvino", folder)` and `plainnet.from_platform(folder)`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.meaning_hash import meaning_hash
from plainnet.blocks.rows.shapes import Shape
from plainnet.errors import RunError, StructureError, UsageError
from plainnet.platforms import graphs
from plainnet.platforms.comparing import first_line, outputs_of
from plainnet.platforms.conversion import Conversion, convert, load_conversion
from plainnet.platforms.platform import Platform, Runner, find_platform
from plainnet.platforms.samples import sample_sizes

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from plainnet.network.plain_net import PlainNet

__all__ = ["OnPlatform", "fingerprint_of", "from_platform", "platform_digest", "to_platform"]


class OnPlatform:
    """A network as it runs on a platform: called with images (N, C, H, W), float32, tensors of torch's or arrays; it gives back
    what it was given, of several outputs a dict by their names. `about` is its conversion.json.
    """

    def __init__(self, about: Conversion, run: Runner) -> None:
        self.about, self._run = about, run

    def __call__(self, images: Tensor | np.ndarray[Any, Any]) -> Any:
        """What the network puts out; `UsageError` for images of another kind, `RunError` where the platform refuses them."""
        import numpy as np

        array = images if isinstance(images, np.ndarray) else images.detach().cpu().numpy()
        if array.ndim != 4 or array.dtype != np.float32:
            raise UsageError(f"the images are {list(array.shape)} of {array.dtype}; accepted: (N, C, H, W) of float32")
        _, channels, height, width = self.about.measured[0].shape
        if array.shape[1] != channels or (not self.about.any_size and array.shape[2:] != (height, width)):
            size = "any size" if self.about.any_size else f"{height}x{width} alone"
            raise UsageError(f"the images are {list(array.shape)}; accepted: {channels} channels, {size}")
        try:
            found = outputs_of(self._run(np.ascontiguousarray(array)), self.about.output_names)
        except Exception as error:  # runtimes raise anything
            raise RunError(f"{self.about.platform} does not take {list(array.shape)}: {first_line(error)}") from error
        if not isinstance(images, np.ndarray):
            import torch

            given: dict[str, Any] = {name: torch.from_numpy(np.array(each)) for name, each in found.items()}
            return given if self.about.outputs else next(iter(given.values()))
        return found if self.about.outputs else next(iter(found.values()))


def to_platform(
    net: PlainNet, platform: str, folder: str | Path, *, sizes: Sequence[tuple[int, int]] = (), name: str = "network"
) -> Conversion:
    """Convert a network into a new folder, and compare it there with itself.

        net.to_platform("onnxruntime", "converted")
        logits = plainnet.from_platform("converted")(images)

    sizes: (H, W) to compare at; by default the one that it was made for, an odd one and one that is not square, and these are
    taken, too, where fewer are said (`plainnet.platforms.samples.sample_sizes`). The network is converted in evaluation mode and
    left as it is. Raises what `plainnet.platforms.conversion.convert` raises.
    """
    if net.features_only:
        raise UsageError("a network with features_only puts out a list of maps; accepted: one that ends in Outputs")
    adapter = find_platform(platform)
    stride = max((level.reduction for level in net.feature_info if level.reduction is not None), default=1)
    was_training = net.training
    try:
        return convert(
            net.eval(),
            platform,
            Path(folder),
            channels=net.structure.in_channels,
            sizes=sample_sizes(net.resolution, sizes, stride=stride, takes=lambda size: _takes(net, size)),
            name=name,
            fingerprint=fingerprint_of(net, adapter),
            stride=stride,
        )
    finally:
        net.train(was_training)


def _takes(net: PlainNet, size: tuple[int, int]) -> bool:
    """Whether it is a network of just these weights at another size, too: the maps that meet are of one size, and no linear layer
    is behind the places of a map.
    """
    own, other = (Shape(net.structure.in_channels, height, width) for height, width in (net.resolution, size))
    try:
        params = [net.structure.at(shape, variant=net.variant).counts(net.num_classes).params for shape in (own, other)]
    except StructureError:
        return False
    return params[0] == params[1]


def from_platform(folder: str | Path) -> OnPlatform:
    """The network of a converted folder, after its files were compared with their digests.

    A binary is a program of its platform's: run what you trust. Raises `RunError` for what is damaged or no conversion.
    """
    return OnPlatform(*load_conversion(Path(folder)))


def fingerprint_of(net: PlainNet, platform: Platform) -> str:
    """SHA-256 of what decides about a conversion: what the network's rows mean, its weights, the adapter, its versions."""
    shape = Shape(net.structure.in_channels, *net.resolution)
    digest = hashlib.sha256(meaning_hash(net.structure.rows(shape, variant=net.variant, expand=True)).encode())
    digest.update(json.dumps([net.norm_eps, net.num_classes, platform_digest(platform)]).encode())
    for key, value in net.state_dict().items():
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def platform_digest(platform: Platform) -> str:
    """SHA-256 of a platform: its name, the versions of its packages, whether this machine runs it, its adapter's file and the
    graphs that it is made of.
    """
    about = [platform.name, platform.versions(), platform.convert_only()]
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    files = {platform.convert.__code__.co_filename, platform.load.__code__.co_filename, graphs.__file__}
    files |= set() if platform.environment is None else {platform.environment.script}
    for file in sorted(files):
        if Path(file).is_file():
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()

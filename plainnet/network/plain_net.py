"""PlainNet: a network string as a torch module."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from plainnet.blocks.arguments import whole_number
from plainnet.blocks.levels import FeatureInfo, feature_levels
from plainnet.blocks.parts import BLOCKS, block_places, name_at, name_in_blocks, part_prefixes
from plainnet.blocks.rows.limits import DEFAULT_LIMITS, Limits
from plainnet.blocks.rows.shapes import Shape, as_input_shape
from plainnet.blocks.rows.variants import Variant, as_variant
from plainnet.blocks.structure import Structure
from plainnet.errors import StructureError, UsageError
from plainnet.network.initialization import initialize
from plainnet.network.linked import Linked, Wiring
from plainnet.network.module_tree import module_tree
from plainnet.network.network_names import as_network
from plainnet.network.parameterless import ZeroMap
from plainnet.network.published import NORM_EPS

if TYPE_CHECKING:
    from os import PathLike

    from plainnet.naming.subject import Subject

__all__ = ["FeatureInfo", "PlainNet"]

_CLASSES = "a positive integer, or None or 0 for no classifier"


class _Assumed(int):
    """What holds where neither the caller nor the network that is named says anything."""


_ASSUMED_CLASSES = _Assumed(1000)


class PlainNet(nn.Module):
    """The network of a structure string: blocks, global average pooling, and a linear classifier.

        net = PlainNet("SuperConvK3BNRELU(3,32,2,1)SuperResK3K3(32,64,2,32,1)", num_classes=10)
        logits = net(torch.randn(8, 3, 32, 32))     # (N, 10)

    structure: whatever `plainnet.resolve` takes and is a structure: a string, what `plainnet.parse` made of it, a published
        network ("resnet18"), a candidate of a search ("runs/x:2"), a training run, a file. What is known of it (classes,
        variant, epsilon of the batch norms, trained weights) is taken with it, unless another is given.
    num_classes: the classifier's outputs; by default those of the network that is named, else 1000; None or 0 for none
        (then the pooled features come out, (N, C)). A structure that ends in a vector (AdaptiveAvgPool, Flatten, Linear) is
        its own head, and none is added.
    in_channels: what the first block takes, None for what the string says (3 where it says nothing); another number is an error.
    resolution: only where features depend on the size of the map (Flatten of a map that is larger than 1x1): R or (H,
        W); that of the network that is named by default, 224 otherwise.
    variant, or use_se, no_reslink, no_bn, activation: of the whole network, see `plainnet.Variant`.
    features_only: put out a list of feature maps, one for each resolution, described by `feature_info`.
    out_indices: the levels of `feature_info` that are put out, in this order; negative ones count from the last. With
        `features_only` the blocks behind the last of them are not built; the others keep their names in the `state_dict`.
    init: None for the trained weights of what is named, and new ones where it has none; "zennas" (as published), "kaiming",
        "gaussian" (as the Zen-score needs it), "default" (torch's own).
    in_parts: name the tensors after the parts that labels of the string say (`backbone.`, `neck.`, `heads.NAME.`, see
        `plainnet.blocks.parts`); else, and where they say none, `blocks.` and the number of the block. Weights under either
        names can be loaded.
    norm_eps: epsilon of the batch norms; None for that of the published network that is named, and 1e-3, that of the
        ZenNets, for a string.

    Raises `StructureError` before anything is allocated if the string is wrong or the network too large, and `UsageError`
    for arguments that make no sense.
    """

    def __init__(
        self,
        structure: str | PathLike[str] | Structure | Subject,
        *,
        num_classes: int | None = _ASSUMED_CLASSES,
        in_channels: int | None = None,
        resolution: int | tuple[int, int] | None = None,
        variant: Variant | None = None,
        use_se: bool = False,
        no_reslink: bool = False,
        no_bn: bool = False,
        activation: str = "relu",
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        init: str | None = None,
        norm_eps: float | None = None,
        in_parts: bool = True,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        super().__init__()
        named = as_network(structure, limits=limits)
        self.structure = named.as_structure()
        said = as_variant(variant, use_se=use_se, no_reslink=no_reslink, no_bn=no_bn, activation=activation)
        self.variant = named.varied(said)
        size = resolution if resolution is not None else named.resolution if named.resolution is not None else 224
        shape = as_input_shape(self.structure.in_channels if in_channels is None else in_channels, size)
        self.resolution = (shape.height, shape.width)
        if shape.channels != self.structure.in_channels:
            raise StructureError(
                f"the structure takes {self.structure.in_channels} channels, in_channels is {in_channels}"
            )
        self.norm_eps = checked_eps(norm_eps, NORM_EPS if named.norm_eps is None else named.norm_eps)
        if isinstance(num_classes, _Assumed) and named.num_classes is not None:
            num_classes = named.num_classes
        classes = 0 if num_classes is None else whole_number("num_classes", num_classes, minimum=0, accepted=_CLASSES)
        self.feature_info = feature_levels(self.structure, shape, variant=self.variant)
        self.features_only = features_only
        self.out_indices = self._check_indices(out_indices)
        kept = self._last_level() + 1 if features_only else len(self.structure)
        numbered = tuple([f"{BLOCKS}.{number}" for number in range(len(self.structure))])
        self.places = block_places(self.structure) if in_parts else numbered
        """How the names of each block's tensors begin."""
        self._take_in(self._build(shape, kept))
        self.has_one_size = any(isinstance(part, ZeroMap) and max(part.shape[1:]) > 1 for part in self.modules())
        """Whether it runs at `resolution` alone, as zeros take their size from nothing that is there."""
        out_shape = self.structure.totals(shape, variant=self.variant)[kept - 1].out_shape
        self.num_features = out_shape.channels
        brings_head = out_shape.is_vector
        self.pool = nn.Identity() if brings_head or features_only else nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Identity() if brings_head or features_only else nn.Flatten(1)
        has_head = bool(classes) and not brings_head and not features_only
        self.num_classes = self.num_features if brings_head else classes if has_head else 0
        self.head = nn.Linear(self.num_features, self.num_classes) if has_head else nn.Identity()
        self.initialize(init or "zennas")
        if init is None and named.weights is not None:
            self._take(named.weights)

    def _take(self, weights: Path) -> None:
        """Take trained weights; `UsageError` where they are those of another network."""
        from plainnet.files.pickled_tensors import network_tensors
        from plainnet.files.tensor_files import other_kinds

        tensors = {self._own_name(name): tensor for name, tensor in network_tensors(weights).items()}
        own = self.state_dict()
        odd = [
            key
            for key in {**own, **tensors}
            if key not in own or key not in tensors or own[key].shape != tensors[key].shape
        ]
        if odd:
            raise UsageError(
                f"{weights} does not fit this network ({', '.join(odd[:3])}); accepted: the classes and the variant that it was "
                "trained with, or init='zennas' for new weights"
            )
        if kinds := other_kinds(tensors, own):
            raise UsageError(f"{weights} does not fit this network: {', '.join(kinds[:3])}")
        self.load_state_dict(tensors)

    @property
    def part_prefixes(self) -> dict[str, str]:
        """Part -> how the names of its tensors begin: the parts that the string says, else the backbone; and the classifier."""
        return part_prefixes(self.places) | ({"head": "head."} if isinstance(self.head, nn.Linear) else {})

    def _own_name(self, name: str) -> str:
        """The name that a tensor of this string has here: with the parts, or without."""
        if self.places[0].startswith(BLOCKS):
            name = name_in_blocks(name, block_places(self.structure))
        return name_at(name, self.places)

    def _load_from_state_dict(self, state_dict: MutableMapping[str, Tensor], prefix: str, *arguments: Any) -> None:
        """What torch calls to load weights: those that are named with parts, or without them, as they are not here, are renamed
        first.
        """
        for key in [key for key in state_dict if key.startswith(prefix)]:
            name = prefix + self._own_name(key.removeprefix(prefix))
            if name not in state_dict:
                state_dict[name] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def _check_indices(self, out_indices: Sequence[int] | None) -> tuple[int, ...]:
        levels = len(self.feature_info)
        if self.features_only and not levels:
            raise UsageError(
                "features_only needs a feature map, and the first block of this structure puts out a vector"
            )
        if out_indices is None:
            return tuple(range(levels))
        accepted = f"a sequence of levels from 0 to {levels - 1}, one for each resolution, such as ({levels - 1},)"
        if isinstance(out_indices, (str, bytes)) or not isinstance(out_indices, Iterable):
            raise UsageError(f"out_indices is {out_indices!r}; accepted: {accepted}")
        indices = [whole_number("out_indices", index, minimum=None, accepted=accepted) for index in out_indices]
        bad = [index for index in indices if not -levels <= index < levels]
        if bad:
            raise UsageError(f"out_indices {bad} are out of range; accepted: {accepted}")
        if not indices:
            raise UsageError(f"out_indices is empty; accepted: {accepted}")
        return tuple(index % levels for index in indices)

    def _build(self, shape: Shape, kept: int) -> nn.Module:
        """The module of the blocks up to number `kept`; of parts in which they are, where they are in parts."""
        in_parts = not self.places[0].startswith(BLOCKS)
        tops = self.places[:kept] if in_parts else tuple(map(str, range(kept)))
        if self.structure.is_plain and not in_parts:
            rows = self.structure.rows(shape, variant=self.variant, expand=True)
            built = [row for row in rows if row.block_number < kept]
            return module_tree(built, shape, parts=tops, norm_eps=self.norm_eps)
        wanted = [self.feature_info[index].block for index in self.out_indices] if self.features_only else None
        walked = self.structure.trace(shape, variant=self.variant, expand=True, wanted=wanted)
        outputs = (
            None if wanted is None else [value for number in wanted if (value := walked.values[number]) is not None]
        )
        rows = walked.rows
        if in_parts:
            rows = [row._replace(path=_at(row.path, self.places)) for row in rows]
            if outputs is None and not self.structure.output_names:
                outputs = [len(rows) - 1]
        return module_tree(rows, shape, parts=tops, norm_eps=self.norm_eps, outputs=outputs, names=walked.names)

    def _take_in(self, built: nn.Module) -> None:
        """Make the blocks, or the parts in which they are, parts of this module."""
        self.wiring: Wiring | None = built.wiring if isinstance(built, Linked) else None
        if self.places[0].startswith(BLOCKS):
            self.blocks = built
            return
        for name, part in built.named_children():
            self.add_module(name, part)

    def block_modules(self) -> list[nn.Module]:
        """The modules of the blocks that are built, in order."""
        known = dict(self.named_modules())
        return [known[place] for place in self.places if place in known]

    def _last_level(self) -> int:
        """The last block that an asked for level needs."""
        return max(self.feature_info[index].block for index in self.out_indices)

    def initialize(self, name: str = "zennas") -> None:
        """Initialise all weights; see `plainnet.network.initialization`. Draws from torch's global generator."""
        initialize(self, name)

    def forward_features(self, x: Tensor) -> Any:
        """The feature map before pooling, (N, C, H, W); with `features_only` that of the last block that is built. A network
        that ends in `Outputs` gives a dict of maps.
        """
        out = self._run(x)
        return out[-1] if isinstance(out, list) else out

    def _run(self, x: Tensor) -> Any:
        if self.has_one_size and tuple(x.shape[-2:]) != self.resolution:
            there, here = ("x".join(map(str, size)) for size in (self.resolution, x.shape[-2:]))
            raise UsageError(
                f"zeros in this network have the size that they have for images of {there}, and these are of {here}; accepted: "
                f"images of {there}, or PlainNet(..., resolution=...) for others"
            )
        return self.blocks(x) if self.places[0].startswith(BLOCKS) else self.wiring.run(self, x)  # type: ignore[union-attr]

    def forward_levels(self, x: Tensor) -> list[Tensor]:
        """The feature maps of the levels in `out_indices`, in that order; by default the largest first."""
        if self.wiring is not None:
            found: list[Tensor] = self._run(x)
            return found
        wanted = [self.feature_info[index].block for index in self.out_indices]
        maps: dict[int, Tensor] = {}
        for number, block in enumerate(self.blocks.children()):
            x = block(x)
            if number in wanted:
                maps[number] = x
        return [maps[number] for number in wanted]

    def forward_head(self, x: Tensor, *, pre_logits: bool = False) -> Tensor:
        """Pooling and the classifier on a feature map; with `pre_logits` the pooled features, (N, C)."""
        x = self.flatten(self.pool(x))
        return x if pre_logits else self.head(x)

    def forward(self, x: Tensor) -> Any:
        """Logits (N, num_classes) for images (N, C, H, W); pooled features without a head; a list of maps with
        `features_only`; a dict of them, by name, where the structure ends in `Outputs`.
        """
        if self.features_only:
            return self.forward_levels(x)
        return self.forward_head(self.forward_features(x))

    def to_platform(self, platform: str, folder: str | Path, *, sizes: Sequence[tuple[int, int]] = ()) -> Any:
        """Convert the network for a platform ("onnxruntime", "openvino", "torch.export", ...); see `plainnet.to_platform`."""
        import plainnet  # the rooms above are its public names

        return plainnet.to_platform(self, platform, folder, sizes=sizes)

    def __prepare_scriptable__(self) -> nn.Module:
        """What `torch.jit.script` takes for this module."""
        from plainnet.network.scripting import scriptable

        return scriptable(self)

    def extra_repr(self) -> str:
        return f"{self.structure}" + (f" [{self.variant}]" if str(self.variant) else "")

    def load_zennas_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load weights in the layout of the Zen-NAS authors' checkpoints; see `plainnet.network.zennas_weights`."""
        from plainnet.network.zennas_weights import convert_state_dict

        self.load_state_dict(convert_state_dict(state_dict, self))


def _at(path: str, places: Sequence[str]) -> str:
    """The path of a row of block number N, "N.conv1", in the part of the block."""
    number, dot, rest = path.partition(".")
    return f"{places[int(number)]}{dot}{rest}"


def checked_eps(value: object, default: float) -> float:
    """An epsilon of batch norms; `UsageError` for what is no positive number."""
    if value is None:
        return default
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1:
        return float(value)
    raise UsageError(f"norm_eps is {value!r}; accepted: a number above 0 and below 1, or None for the network's own")

"""`plainnet.load`: the torch module of a network that is named in any way, with its trained weights; and `load_weights`: the
weights of one network, or of a part of it, in another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from plainnet.errors import UsageError
from plainnet.naming.resolver import resolve

if TYPE_CHECKING:
    from torch import Tensor, nn

    from plainnet.store.matching import Matching

__all__ = ["load", "load_weights"]


def load(network: Any, *, trust: bool = False, imports: Sequence[str] = ()) -> nn.Module:
    """The module of a network in evaluation mode: with its trained weights where what is named has some, new ones where not.

        net = plainnet.load("runs/mine")        # the best weights of a training
        logits = net(images)                    # (N, C, H, W), normalised as in training -> (N, classes)

    network: whatever `plainnet.resolve` takes; `trust` and `imports` as there. An `nn.Module` is given back as it is.

    For other classes, another variant or a backbone: `plainnet.PlainNet`. For files, classes and normalisation:
    `plainnet.engine.Predictor`. Raises what `plainnet.resolve` raises, and `UsageError` for weights that do not fit.
    """
    subject: Any = resolve(network, trust=trust, imports=imports)
    module: nn.Module | None = subject.module
    if module is not None:
        return module if module is network else module.eval()
    if subject.structure is None:
        built: nn.Module = subject.network
        return built.eval()
    from plainnet.network.plain_net import PlainNet

    return PlainNet(subject).eval()


def load_weights(
    module: nn.Module,
    weights: str | PathLike[str] | Mapping[str, Tensor],
    *,
    parts: Sequence[str] = (),
    skip: Sequence[str] = (),
    fresh: Sequence[str] = (),
) -> Matching:
    """Put trained weights into a network, all of them or those of some parts; what comes back says which tensor was taken from
    where, and which stayed new: `print(found)`.

        detector = plainnet.PlainNet("detector.yaml")
        plainnet.load_weights(detector, "resnet18.pt", parts=["backbone"])

    weights: a `state_dict`, a file of weights, or any name of a network that has some. Tensors of a PlainNet are found with the
        names of its parts (`backbone.3.conv1.weight`) and without (`blocks.3.conv1.weight`).
    parts: of the network: "backbone", "neck", "heads.NAME", "head"; none for all. The others stay as they are.
    skip, fresh: patterns (`*`, `?`) of names in the file that are not needed, and of names in the network that stay as they are.

    Nothing is loaded where anything of the parts is left over: `UsageError` names the tensors.
    """
    from plainnet.store.matching import match
    from plainnet.store.reused_parts import own_name, part_prefixes_in, under

    given = dict(weights) if isinstance(weights, Mapping) else _tensors(fspath(weights))
    prefixes = part_prefixes_in(module, parts, tuple(f"{part}." for part in parts))
    target = module.state_dict()
    found = match(
        {name: value for name, value in given.items() if under(own_name(module, name), prefixes)},
        {name: value for name, value in target.items() if under(name, prefixes)},
        rules=lambda name: own_name(module, name),
        skip=skip,
        fresh=fresh,
    )
    what = "the state_dict" if isinstance(weights, Mapping) else fspath(weights)
    found.check(what)
    found.check_kinds(what, given, target)
    module.load_state_dict({own: given[name] for own, (name, _) in found.taken.items()}, strict=False)
    other = [name for name in target if not under(name, prefixes)]
    return replace(found, fresh=[*found.fresh, *other])


def _tensors(said: str) -> dict[str, Tensor]:
    from plainnet.export.weights import read_weights

    if not said.endswith((".pt", ".pth")):
        subject = resolve(said)
        if subject.weights is None:
            raise UsageError(f"{said} has no trained weights; accepted: a file of weights, or a network that has some")
        said = str(subject.weights)
    return dict(read_weights(said).tensors)

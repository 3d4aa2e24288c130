"""`plainnet.export_network`: a network, named in any way, as a folder that works by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from plainnet.blocks.rows.variants import Variant, as_variant
from plainnet.errors import UsageError
from plainnet.export import Network, Origin, Weights, read_weights
from plainnet.export import export_network as export_value
from plainnet.export.literals import name_from
from plainnet.naming.resolver import resolve
from plainnet.naming.subject import SAID, Known, Subject

__all__ = ["export_network", "origin_of", "settled"]


def export_network(
    network: Any,
    *,
    to: str,
    out: str | Path,
    weights: str | Path | Weights | None = None,
    resolution: int | tuple[int, int] | None = None,
    num_classes: int | None = None,
    variant: Variant | None = None,
    name: str = "",
    seed: int = 0,
    force: bool = False,
    trust: bool = False,
    tell: Callable[[str], object] | None = None,
) -> list[Path]:
    """Write a network for a target (`plainnet.export.TARGETS`) into the folder `out`; the files that were written.

        plainnet.export_network("runs/mine", to="pytorch", out="my_net")    # the best of a search, or a trained network

    network: whatever `plainnet.resolve` takes, or a `plainnet.export.Network`. The weights of a training run, a weights file
        or an exported folder are carried over.
    weights: of another file, in their place. resolution, num_classes, variant, name: where nothing else says them.
    trust: Python files with blocks that a search run names may run.

    The other arguments and the errors are those of `plainnet.export.export_network`; `UsageError` for a module that is no
    structure.
    """
    if isinstance(network, Network):
        return export_value(network, to=to, out=out, weights=weights, seed=seed, force=force, tell=tell)
    subject = resolve(network, trust=trust)
    subject = subject.saying(resolution=resolution, num_classes=num_classes, variant=as_variant(variant))
    source = weights if weights is not None else subject.weights
    given = read_weights(source) if isinstance(source, (str, Path)) else source
    value, _ = settled(subject, given, name=name)
    return export_value(
        value, to=to, out=out, weights=given, seed=seed, origin=origin_of(subject), force=force, tell=tell
    )


def settled(subject: Subject, given: Weights | None, *, name: str = "") -> tuple[Network, Subject]:
    """The network to export, and the subject with what its weights say: what was not said comes from them, then from where
    the network was published or found.
    """
    structure = subject.structure
    if structure is None:
        raise UsageError(
            f"{subject.said} is a module; accepted: a structure (an export writes the layers of its blocks)"
        )
    if given is not None:
        subject = _with_weights(subject, given)
    network = Network(
        structure,
        subject.resolution.value,
        subject.num_classes.value,
        subject.variant.value,
        name=name or _name(subject),
        norm_eps=subject.norm_eps.value,
    )
    if network.brings_head and subject.num_classes.is_default:  # its classes are the structure's own
        subject = replace(subject, num_classes=Known(network.classes, "from the string"))
    return network, subject


def _with_weights(subject: Subject, given: Weights) -> Subject:
    story, source = given.story, "from the weights"
    found: dict[str, Known] = {}
    if story.shape is not None and subject.resolution.source != SAID:
        height, width = story.shape[1:]
        found["resolution"] = Known(height if height == width else (height, width), source)
    if story.norm_eps is not None:
        found["norm_eps"] = Known(story.norm_eps, source)
    if story.variant is not None and subject.variant.source != SAID:
        found["variant"] = Known(story.variant, source)
    if given.classes is not None and subject.num_classes.source != SAID:
        found["num_classes"] = Known(given.classes, source)
    return replace(subject, weights=given.path, **found)  # type: ignore[arg-type]


def _name(subject: Subject) -> str:
    """What the network is called: as it was published or found, as its file without the suffix (what no name may hold
    replaced by _), or nothing.
    """
    name = subject.name or ""
    return name_from(Path(name).stem if name == Path(subject.said).name else name)


def origin_of(subject: Subject) -> Origin | None:
    """How a network was found, if a search did."""
    return None if subject.search is None else Origin(**subject.search)

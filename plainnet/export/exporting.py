"""`export_network`: a network as a folder that works by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plainnet.errors import UsageError
from plainnet.export.folder import new_folder
from plainnet.export.job import Job
from plainnet.export.network import Network
from plainnet.export.provenance import Origin, provenance, readme
from plainnet.export.registry import find_target
from plainnet.export.story import Story
from plainnet.export.weights import Weights, read_weights

__all__ = ["export_network"]

SEVERAL = ("plainnet", "onnx", "torch.export", "torchscript")
"""Targets that take networks of several outputs: the others come with a training that is for classes."""


def export_network(
    network: Network,
    *,
    to: str,
    out: str | Path,
    weights: str | Path | Weights | None = None,
    seed: int = 0,
    origin: Origin | None = None,
    force: bool = False,
    tell: Callable[[str], object] | None = None,
) -> list[Path]:
    """Write a network for a target (`plainnet.export.TARGETS`) into the folder `out`; the files that were written.

        network = Network(plainnet.parse(text), resolution=32, num_classes=10)
        export_network(network, to="pytorch", out="my_net")

    weights: a file of this network's weights (safetensors, or a state_dict as .pt), which are carried over; or what
        `read_weights` made of it.
    seed: of the weights where the target needs some and none are given.
    origin: how the network was found, for `provenance.json`.
    force: write into a folder that is not empty; files of the same names are replaced, and those of an export before that
        this one does not write are removed.
    tell: is called with what a person has to know of the export, such as a size that could not be left free.

    What is written has been read back and compared: source is built, graphs are run. Raises `UsageError` for an unknown
    target, weights of another network, a folder that is not empty, or what cannot be the same network there,
    `MissingExtraError` for a package that the target needs, `StructureError` where the input is too small for the network,
    and `RunError` where the system refuses to write the folder. Then nothing is written.
    """
    target = find_target(to)
    write = target.writer()
    given = read_weights(Path(weights)) if isinstance(weights, (str, Path)) else weights
    assert network.counts.params >= 0  # a size that is too small is an error before anything else
    outputs = network.structure.output_names
    if outputs and target.name not in SEVERAL:
        accepted = ", ".join(SEVERAL)
        raise UsageError(
            f"{to} trains on one output, and the network puts out {', '.join(outputs)}; accepted: {accepted}"
        )
    tensors = None if given is None else given.of(network)
    with new_folder(Path(out), force=force) as folder:
        job = Job(network, folder, tensors, seed, Story() if given is None else given.story)
        usage = write(job)
        job.write("README.md", readme(network, usage))
        path = None if given is None else given.path
        about = provenance(job, target.name, usage=usage, origin=origin or Origin(), weights=path)
        job.write("provenance.json", about)
        names = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    if usage.note and tell is not None:
        tell(usage.note)
    return [Path(out) / name for name in names]

"""`export_network`: a network as a folder that works by itself."""

from __future__ import annotations

from pathlib import Path

from plainnet.export.folder import new_folder
from plainnet.export.job import Job
from plainnet.export.network import Network
from plainnet.export.provenance import Origin, provenance, readme
from plainnet.export.registry import find_target
from plainnet.export.weights import read_weights

__all__ = ["export_network"]


def export_network(
    network: Network,
    *,
    to: str,
    out: str | Path,
    weights: str | Path | None = None,
    seed: int = 0,
    origin: Origin | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a network for a target (`plainnet.export.TARGETS`) into the folder `out`; the files that were written.

        network = Network(plainnet.parse(text), resolution=32, num_classes=10)
        export_network(network, to="pytorch", out="my_net")

    weights: a file of this network's weights (safetensors, or a state_dict as .pt), which are carried over.
    seed: of the weights where the target needs some and none are given.
    origin: how the network was found, for `provenance.json`.
    force: write into a folder that is not empty; files of the same names are replaced.

    Raises `UsageError` for an unknown target, weights of another network, or a folder that is not empty,
    `MissingExtraError` for a package that the target needs, `StructureError` where the input is too small for the
    network. Then nothing is written.
    """
    target = find_target(to)
    write = target.writer()
    file = None if weights is None else Path(weights)
    tensors = None if file is None else read_weights(file, network)
    about = provenance(network, target.name, origin=origin or Origin(), weights=file, seed=seed)
    with new_folder(Path(out), force=force) as folder:
        job = Job(network, folder, tensors, seed)
        usage = write(job)
        job.write("provenance.json", about)
        job.write("README.md", readme(network, usage))
        names = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return [Path(out) / name for name in names]

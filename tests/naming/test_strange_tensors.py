"""Files of weights whose tensors would be loaded as other numbers, hold none, or fill the memory: every reader says so."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import plainnet
from plainnet.engine.run.starting_weights import load_start
from plainnet.errors import UsageError
from plainnet.export.network import Network
from plainnet.export.weights import read_weights
from plainnet.files.pickled_tensors import network_tensors, read_pickled_tensors
from plainnet.network.plain_net import PlainNet
from plainnet.store.importing import Wanted, read_foreign

SMALL = "SuperConvK3BNRELU(3,8,1,1)"
FIRST = "blocks.0.conv1.weight"


def network() -> PlainNet:
    return PlainNet(SMALL, num_classes=3, resolution=8)


def imported(path: Path) -> None:
    structure = plainnet.parse(SMALL)
    read_foreign(path, Wanted(structure, (8, 8), norm_eps=1e-3, name="x", tag="1", num_classes=3))


def begun(path: Path) -> None:
    load_start(network(), path, new_head=False)


def exported(path: Path) -> None:
    read_weights(path).of(Network(plainnet.parse(SMALL), 8, 3))


READERS: dict[str, Callable[[Path], object]] = {
    "load_weights": lambda path: plainnet.load_weights(network(), dict(read_weights(path).tensors)),
    "store import": imported,
    "train": begun,
    "export": exported,
}

OTHER = {
    "integers": lambda weight: (weight * 10).long(),
    "bytes": lambda weight: (weight * 10).to(torch.uint8),
    "truths": lambda weight: weight > 0,
    "complex": lambda weight: torch.complex(weight, weight),
}
"""What torch loads into floats without a word."""
NO_VALUES = {
    "sparse": lambda weight: weight.to_sparse(),
    "compressed": lambda weight: weight.reshape(8, 27).to_sparse_csr(),
    "meta": lambda weight: weight.to("meta"),
    "quantized": lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8),
}
"""What only files that torch saved can hold."""


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", OTHER)
def test_other_numbers_are_refused(tmp_path: Path, kind: str, reader: str, suffix: str) -> None:
    state = network().state_dict()
    state[FIRST] = OTHER[kind](state[FIRST])
    path = tmp_path / f"w{suffix}"
    if suffix == ".pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    with pytest.raises(
        UsageError, match=rf"(?s)(w\{suffix}|state_dict).*{FIRST} torch\.\w+ where torch.float32 is meant"
    ):
        READERS[reader](path)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", NO_VALUES)
def test_tensors_without_plain_values_are_refused(tmp_path: Path, kind: str, reader: str) -> None:
    state = network().state_dict()
    with warnings.catch_warnings(action="ignore"):  # torch means to drop some of them
        state[FIRST] = NO_VALUES[kind](state[FIRST])
        torch.save(state, tmp_path / "w.pt")
        with pytest.raises(UsageError, match=rf"w\.pt: {FIRST} is .*; accepted: dense tensors"):
            READERS[reader](tmp_path / "w.pt")


@pytest.mark.parametrize("kind", ["half", "double", "count as a float"])
def test_floats_of_another_length_are_read(tmp_path: Path, kind: str) -> None:
    def other(tensor: Tensor) -> Tensor:
        if kind == "count as a float":
            return tensor.float()
        return tensor.to(torch.float16 if kind == "half" else torch.float64) if tensor.is_floating_point() else tensor

    torch.save({name: other(tensor) for name, tensor in network().state_dict().items()}, tmp_path / "w.pt")
    for read in READERS.values():
        read(tmp_path / "w.pt")


@pytest.mark.parametrize("how", ["compressed", "each record twice"])
def test_records_beyond_the_file_are_refused(tmp_path: Path, how: str) -> None:
    """Three megabytes would become three gigabytes."""
    torch.save({"w": torch.zeros(1 << 20)}, tmp_path / "whole.pt")
    assert network_tensors(tmp_path / "whole.pt")["w"].shape == (1 << 20,)
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as whole,
        zipfile.ZipFile(
            tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED if how == "compressed" else zipfile.ZIP_STORED
        ) as written,
    ):
        for record in whole.infolist():
            written.writestr(record.filename, whole.read(record))
        if how != "compressed":  # another entry of the directory for the same bytes
            largest = max(written.infolist(), key=lambda record: record.file_size)
            written.filelist.append(largest)
            written._didModify = True  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"w\.pt holds no weights that can be read: its records would be 4,\d+,\d+|8,"):
        read_pickled_tensors(tmp_path / "w.pt")

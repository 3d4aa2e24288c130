"""Reuse a backbone: a network learns to tell digits apart and is kept in a store; its backbone begins a network that says of each
pixel of a scene which digit it belongs to.

Run: python examples/reuse_a_backbone.py
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import plainnet
from plainnet.engine import load_config, train
from plainnet.files.tensor_files import read_tensors

BACKBONE = "ConvKXBNRELU(1,16,3,1)ConvKXBNRELU(16,32,3,2)ConvKXBNRELU(32,64,3,2)"
NAME = "digits_backbone"


def classifier(folder: Path, *, epochs: int) -> None:
    """The first task; `store: true` keeps the finished run, under the name of its folder."""
    config = {"_base_": "quick", "model": {"structure": BACKBONE}, "train": {"epochs": epochs}, "store": True}
    summary = train(load_config(config | {"device": "cpu", "run": str(folder / NAME)}))
    print(f"digits: best accuracy {summary.best['value']:.3f}; kept as store:{NAME}")


def masks(folder: Path, *, scenes: int, epochs: int) -> None:
    """The second task: the same backbone, a neck on two of its levels, and a head for each pixel."""
    network = plainnet.compose(
        BACKBONE,
        neck={"type": "fpn", "from": ["backbone.c1", "backbone.c2"], "channels": 24},
        heads={"masks": {"type": "dense", "from": "neck.p1", "num_classes": 11}},
    )
    for run, start in (("new", {}), ("reused", {"weights": f"store:{NAME}", "parts": ["backbone"]})):
        model = {"structure": str(network.structure), **start}
        config = {"_base_": "segment", "model": model, "data": {"train": scenes}, "train": {"epochs": epochs}}
        summary = train(load_config(config | {"device": "cpu", "run": str(folder / run)}))
        print(f"masks, the backbone {run}: best mean IoU {summary.best['value']:.3f}")


def moved(folder: Path) -> float:
    """How far the first convolution of the reused backbone went from where it began, at most."""
    before, _ = read_tensors(plainnet.resolve(f"store:{NAME}").weights)
    after, _ = read_tensors(folder / "reused" / "best.safetensors")
    first = "0.conv1.weight"
    return float((after[f"backbone.{first}"] - before[f"blocks.{first}"]).abs().max())


def main(folder: Path, *, epochs: int = 3, scenes: int = 512) -> None:
    os.environ["PLAINNET_HOME"] = str(folder / "home")
    classifier(folder, epochs=epochs)
    masks(folder, scenes=scenes, epochs=epochs)
    print(f"the first convolution moved by {moved(folder):.3f} at most")


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        main(Path(place))

"""The folder of the pytorch target works by itself: outside of the checkout, with nothing but torch."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import plainnet
from plainnet.export import Network, export_network
from tests.export.conftest import COUNT, images, probe, run

DRIVER = Path(__file__).with_name("only_torch.py")


def accuracies(output: str) -> list[float]:
    return [float(found) for found in re.findall(r"^epoch \d+: .* accuracy ([\d.]+)", output, re.MULTILINE)]


@pytest.mark.slow
def test_it_trains_with_nothing_but_torch(export: Callable[..., Path], tmp_path: Path) -> None:
    folder = export("pytorch", weights=False)
    arguments = ("--epochs", "4", "--out", str(tmp_path / "trained.pt"))
    reached = accuracies(run(folder, str(DRIVER), "train.py", *arguments))
    assert len(reached) == 4
    assert reached[-1] > 0.5  # of ten classes
    again = accuracies(run(folder, str(DRIVER), "train.py", *arguments))
    assert again == reached


@pytest.mark.slow
def test_it_learns_the_digits_from_weights_and_gives_weights_that_plainnet_reads(
    export: Callable[..., Path], tmp_path: Path, network: Network
) -> None:
    pytest.importorskip("sklearn")
    out = tmp_path / "trained.pt"
    output = run(export("pytorch"), "train.py", "--epochs", "4", "--weights", "weights.pt", "--out", str(out))
    state = network.build().state_dict()
    assert f"{len(state)} of {len(state)} tensors loaded" in output
    assert accuracies(output)[-1] > 0.6
    network.build().load_state_dict(torch.load(out, weights_only=True))


@pytest.mark.slow
def test_it_trains_on_a_folder_of_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    colours = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}
    for split, count in (("train", 24), ("val", 4)):
        for name, colour in colours.items():
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for number in range(count):
                size = (20 + number % 5, 24)
                image.new("RGB", size, colour).save(tmp_path / "images" / split / name / f"{number}.png")
    text = "SuperConvK3BNRELU(3,8,2,1)SuperResK3K3(8,16,2,8,1)"
    export_network(Network(plainnet.parse(text), (16, 20), 1000), to="pytorch", out=tmp_path / "net")
    arguments = ("--data", "../images", "--epochs", "6", "--batch-size", "12", "--workers", "1")
    assert accuracies(run(tmp_path / "net", "train.py", *arguments))[-1] == 1.0


@pytest.mark.slow
def test_outputs_and_counts_are_the_same_in_a_process_of_its_own(
    export: Callable[..., Path], network: Network, reference: Any, tmp_path: Path
) -> None:
    batch = images(2, *network.shape)
    torch.save(batch, tmp_path / "images.pt")
    script = tmp_path / "script.py"
    script.write_text(
        f"{COUNT}\nimport json, sys, torch\nsys.path.insert(0, {str(export('pytorch'))!r})\nfrom model import Net\n"
        "net = Net().eval()\n"
        f"net.load_state_dict(torch.load({str(export('pytorch') / 'weights.pt')!r}, weights_only=True))\n"
        f"torch.save(net(torch.load({str(tmp_path / 'images.pt')!r})), {str(tmp_path / 'logits.pt')!r})\n"
        "print(json.dumps(count(net, 3, 16, 16)))\n"
    )
    counts = __import__("json").loads(run(tmp_path, str(DRIVER), str(script)).splitlines()[-1])
    assert counts == {"params": network.counts.params, "macs": network.counts.macs}
    assert torch.equal(torch.load(tmp_path / "logits.pt"), reference(batch))


@pytest.mark.slow
def test_structures_of_one_size_train_at_that_size(tmp_path: Path) -> None:
    text = "SuperConvK3BNRELU(1,8,2,1)Flatten(8)Linear(512,10,1)"
    export_network(Network(plainnet.parse(text), 16), to="pytorch", out=tmp_path / "net")
    assert accuracies(run(tmp_path / "net", "train.py", "--epochs", "2"))[-1] > 0.3
    assert probe(tmp_path / "net", "import model; print(int(model.ANY_SIZE))") == 0

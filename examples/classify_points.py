"""A classifier of point clouds: spheres, boxes and tubes, of as many points as a cloud happens to have.

Each point is described by itself and the largest of all points' features describe the cloud (Qi et al., PointNet, 2017). A batch
holds the points of all its clouds one after the other; there is no image anywhere, and nothing in the engine asks for one.

Run: python examples/classify_points.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from plainnet.engine import Classification, DataSource, load_config, train
from plainnet.engine.run.evaluation import evaluate

HERE = str(Path(__file__).resolve())
SHAPES = ("sphere", "box", "tube")


def cloud(kind: int, *, draw: torch.Generator) -> torch.Tensor:
    """Points (P, 3) on the surface of a standing shape of any size, turned by chance; 24 to 64 of them."""
    points = torch.randn(int(torch.randint(24, 65, (), generator=draw)), 3, generator=draw)
    if kind == 0:
        points /= points.norm(dim=1, keepdim=True)
    elif kind == 1:
        points /= points.abs().amax(1, keepdim=True)
    else:
        points[:, :2] /= points[:, :2].norm(dim=1, keepdim=True)
        points[:, 2] = 2 * torch.rand(len(points), generator=draw) - 1
    angle = 6.28 * torch.rand((), generator=draw)
    x, y = points[:, 0], points[:, 1]
    turned = torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos(), points[:, 2]], 1)
    return turned * (0.7 + 0.6 * torch.rand((), generator=draw))


class Clouds:
    """Samples: clouds of points with the number of their shape."""

    def __init__(self, *, count: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.labels = torch.arange(count) % len(SHAPES)
        self.clouds = [cloud(int(label), draw=draw) for label in self.labels]

    def __len__(self) -> int:
        return len(self.clouds)

    def fetch(self, indices, draws):  # noqa: ARG002 - seeds for what is random about a sample
        chosen = [self.clouds[index] for index in indices]
        sizes = torch.tensor([len(points) for points in chosen])
        return {
            "points": torch.cat(chosen),
            "cloud": torch.arange(len(chosen)).repeat_interleave(sizes),  # which one each point is of
            "label": self.labels[torch.tensor(indices)],
        }


def shapes(*, train: int = 600, val: int = 150) -> DataSource:
    """So many clouds to train and to validate on."""
    return DataSource(train=Clouds(count=train, seed=0), val=Clouds(count=val, seed=1), classes=SHAPES)


class PointNet(nn.Module):
    """Logits (N, classes) of the points (P, 3) of N clouds."""

    def __init__(self, *, width: int = 64, classes: int = len(SHAPES)) -> None:
        super().__init__()
        self.each = nn.Sequential(
            nn.Linear(4, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, classes))

    def forward(self, points: torch.Tensor, cloud: torch.Tensor, count: int) -> torch.Tensor:
        found = self.each(torch.cat([points, points.norm(dim=1, keepdim=True)], 1))
        where = cloud[:, None].expand_as(found)
        empty = found.new_zeros(count, found.shape[1])
        largest = empty.scatter_reduce(0, where, found, "amax", include_self=False)
        mean = empty.scatter_reduce(0, where, found, "mean", include_self=False)
        return self.head(torch.cat([largest, mean], 1))


class OfPoints(Classification):
    """A classification whose network takes points."""

    def train_forward(self, batch):
        return {"logits": self.model(batch["points"], batch["cloud"], len(batch["label"]))}

    def infer_forward(self, batch):
        outputs = self.train_forward(batch)
        return {**outputs, **self.postprocess(outputs)}


CONFIG = {
    "_base_": "quick",
    "data": {"_delete_": True, "type": f"{HERE}:shapes", "batch_size": 32},
    "model": {"_delete_": True, "type": f"{HERE}:PointNet"},
    "task": {"_delete_": True, "type": f"{HERE}:OfPoints", "losses": [{"type": "CrossEntropy"}]},
    "optim": {"_delete_": True, "type": "AdamW", "lr": 0.01},
    "train": {"epochs": 5},
    "evaluators": [{"type": "ConfusionMatrix"}],
}

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        train(load_config({**CONFIG, "run": folder + "/run"}))
        found = evaluate(folder + "/run/best.safetensors", imports=[HERE])
    for name, row in zip(SHAPES, found.tables["confusion"], strict=True):
        print(f"{name:8}{row}")
    print(f"accuracy {found.metrics['accuracy']:.3f}")
    assert found.metrics["accuracy"] > 0.9

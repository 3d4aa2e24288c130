"""A tracker by template matching: given a digit in the first of some frames, where is it in the others?

One network sees two inputs, the template and the frame; where the features of the template fit those of the frame best, there
the digit is (Bertinetto et al., Fully-Convolutional Siamese Networks for Object Tracking, 2016). Data set, network, loss and task
are in this file, and a configuration names them: nothing in the engine knows what a tracker is.

Run: python examples/track_digits.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine import DataSource, Predictor, Ratio, Task, load_config, train
from plainnet.engine.data.digits import digits

SIDE, DIGIT, FRAMES = 24, 8, 6
PLACES = SIDE - DIGIT + 1
HERE = str(Path(__file__).resolve())


def moving_digits(*, count: int, seed: int, strangers: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames (count, FRAMES, SIDE, SIDE) in which a digit and strangers move, and its places (count, FRAMES, 2): top, left."""
    draw = torch.Generator().manual_seed(seed)
    source = digits()
    images = source.train.fetch(range(len(source.train)), [0] * len(source.train))["image"][:, 0]
    chosen = images[torch.randint(len(images), (count, 1 + strangers), generator=draw)]
    start = torch.randint(PLACES, (count, 1 + strangers, 2), generator=draw)
    speed = torch.randint(-3, 4, (count, 1 + strangers, 2), generator=draw)
    steps = start[:, :, None] + speed[:, :, None] * torch.arange(FRAMES)[:, None]
    places = (steps % (2 * PLACES - 2) - (PLACES - 1)).abs()  # they turn around at the edges
    frames = 0.2 * torch.rand(count, FRAMES, SIDE, SIDE, generator=draw)
    for number in range(count):
        for who in reversed(range(1 + strangers)):  # the digit itself lies on top
            for time in range(FRAMES):
                top, left = places[number, who, time].tolist()
                window = frames[number, time, top : top + DIGIT, left : left + DIGIT]
                torch.maximum(window, chosen[number, who], out=window)
    return frames, places[:, 0]


class Pairs:
    """Samples: the template from a first frame, a later frame, and the digit's place in it as a number."""

    def __init__(self, frames: torch.Tensor, places: torch.Tensor) -> None:
        self.frames, self.places = frames, places

    def __len__(self) -> int:
        return len(self.frames) * (FRAMES - 1)

    def fetch(self, indices, draws):  # noqa: ARG002 - seeds for what is random about a sample
        rows, times = (torch.tensor(part) for part in zip(*(divmod(i, FRAMES - 1) for i in indices), strict=True))
        place = self.places[rows, times + 1]
        return {
            "template": torch.stack([template_of(self.frames[row], self.places[row, 0]) for row in rows]),
            "frame": self.frames[rows, times + 1, None],
            "place": place[:, 0] * PLACES + place[:, 1],
        }


def template_of(frames: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The digit in the first frame, (1, DIGIT, DIGIT)."""
    top, left = place.tolist()
    return frames[:1, top : top + DIGIT, left : left + DIGIT]


def pairs(*, train: int = 120, val: int = 30) -> DataSource:
    """So many sequences to train and to validate on. There is no `shape`: a sample is no image."""
    return DataSource(
        train=Pairs(*moving_digits(count=train, seed=0)),
        val=Pairs(*moving_digits(count=val, seed=1)),
        classes=("digit",),
    )


class Matcher(nn.Module):
    """One body for both inputs; scores (N, PLACES, PLACES) of the template at each place of the frame."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body, self.scale = body, nn.Parameter(torch.tensor(0.1))

    def forward(self, template: torch.Tensor, frame: torch.Tensor) -> torch.Tensor:
        small, large = self.body.forward_features(template), self.body.forward_features(frame)
        count, _, height, width = large.shape
        found = F.conv2d(large.reshape(1, -1, height, width), small, groups=count)
        return self.scale * found[0] / small.shape[1]


class PlaceLoss(nn.Module):
    """-log of the probability of the right place."""

    def forward(self, scores: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(scores.flatten(1), place)


class Tracking(Task):
    """Scores of places; metrics: how far off the best one is in pixels, and how often at most one."""

    def train_forward(self, batch):
        return {"scores": self.model(batch["template"], batch["frame"])}

    def infer_forward(self, batch):
        scores = self.model(batch["template"], batch["frame"])
        best = scores.flatten(1).argmax(1)
        return {"scores": scores, "found": torch.stack([best // PLACES, best % PLACES], 1)}

    def metrics(self, outputs, batch):
        best = outputs["scores"].flatten(1).argmax(1)
        rows, columns = best // PLACES - batch["place"] // PLACES, best % PLACES - batch["place"] % PLACES
        off = torch.hypot(rows.float(), columns.float())
        return {"pixels_off": Ratio(off.sum(), len(off)), "found": Ratio((off <= 1).sum(), len(off))}


CONFIG = {
    "_base_": "quick",
    "data": {"_delete_": True, "type": f"{HERE}:pairs", "batch_size": 32},
    "model": {
        "_delete_": True,
        "type": f"{HERE}:Matcher",
        "body": {"type": "PlainNet", "structure": "ConvKXBNRELU(1,16,3,1)ConvKXBN(16,16,3,1)", "num_classes": None},
    },
    "task": {"_delete_": True, "type": f"{HERE}:Tracking", "losses": [{"type": f"{HERE}:PlaceLoss"}]},
    "optim": {"_delete_": True, "type": "AdamW", "lr": 0.02},
    "train": {"epochs": 2},
    "checkpoint": {"best": "found"},
}

if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        summary = train(load_config({**CONFIG, "run": folder + "/run"}))
        tracker = Predictor(folder + "/run", imports=[HERE]).task
    frames, places = moving_digits(count=1, seed=2)
    template = template_of(frames[0], places[0, 0])[None]
    for time in range(1, FRAMES):
        found = tracker.infer_forward({"template": template, "frame": frames[:, time, None]})["found"][0].tolist()
        print(f"frame {time}: found at {found}, is at {places[0, time].tolist()}")
    print(f"within a pixel: {100 * summary.best['value']:.0f} % of the frames")
    assert summary.best["value"] > 0.8

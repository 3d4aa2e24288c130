"""The images: digits without a folder, train/CLASS/* and val/CLASS/* of a folder otherwise."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from model import ANY_SIZE, IN_CHANNELS, NUM_CLASSES, OWN_HEAD, RESOLUTION
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

MEAN, STD = 0.45, 0.25
MODES = {1: "L", 3: "RGB"}
"""How images are read: grey for one channel, in colour for three."""
SMALL = (64, 64)
"""The size at which a network for larger images learns the digits."""


def digits(size: tuple[int, int]) -> tuple[TensorDataset, TensorDataset]:
    """Ten classes of 8x8 images, enlarged to `size`: handwritten digits, or noisy patterns without scikit-learn."""
    generator = torch.Generator().manual_seed(0)
    try:
        from sklearn.datasets import load_digits

        data = load_digits()
        images, labels = torch.tensor(data.images / 16, dtype=torch.float32), torch.tensor(data.target)
    except ImportError:
        labels = torch.arange(2000) % 10
        patterns = torch.rand(10, 8, 8, generator=generator)
        images = patterns[labels] + 0.2 * torch.randn(2000, 8, 8, generator=generator)
    images = nn.functional.interpolate(images[:, None], size=size, mode="bilinear", align_corners=False)
    images = (images.expand(-1, IN_CHANNELS, -1, -1) - MEAN) / STD
    order = torch.randperm(len(labels), generator=generator)
    train, val = order[360:], order[:360]
    return TensorDataset(images[train], labels[train]), TensorDataset(images[val], labels[val])


class ImageFolder(Dataset[tuple[Tensor, int]]):
    """FOLDER/CLASS/IMAGE, cropped to `size`: at random and mirrored for training, the centre otherwise."""

    def __init__(self, folder: Path, size: tuple[int, int], *, training: bool) -> None:
        if not folder.is_dir():
            raise SystemExit(f"no folder {folder}; expected {folder}/CLASS/IMAGE")
        self.size, self.training = size, training
        self.classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
        suffixes = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
        self.files = [
            (path, number)
            for number, name in enumerate(self.classes)
            for path in sorted((folder / name).iterdir())
            if path.suffix.lower() in suffixes
        ]
        if not self.files:
            raise SystemExit(f"no images in {folder}; expected {folder}/CLASS/IMAGE")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        from PIL import Image

        path, label = self.files[index]
        Image.init()
        formats = [
            name for name in Image.ID if name not in ("EPS", "WMF")
        ]  # those are programs, whatever a file is called
        with Image.open(path, formats=formats) as file:
            image = file.convert(MODES[IN_CHANNELS])
        scale = random.uniform(0.25, 1.0) if self.training else 0.77
        height, width = self.size
        crop_height = scale**0.5 * min(image.height, image.width * height / width)
        crop_width = crop_height * width / height
        places = (random.random(), random.random()) if self.training else (0.5, 0.5)
        left, top = places[0] * (image.width - crop_width), places[1] * (image.height - crop_height)
        box = (left, top, left + crop_width, top + crop_height)
        image = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
        pixels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
        tensor = pixels.view(height, width, -1).permute(2, 0, 1).float() / 255
        if self.training and random.random() < 0.5:
            tensor = tensor.flip(-1)
        return (tensor - MEAN) / STD, label


def datasets(folder: Path | None, size: Sequence[int] | None = None) -> tuple[Any, Any, int]:
    """The training set, the validation set, and the number of classes."""
    keep = folder is not None or not ANY_SIZE or max(RESOLUTION) <= max(SMALL)
    height, width = size or (RESOLUTION if keep else SMALL)
    if not ANY_SIZE and (height, width) != RESOLUTION:
        raise SystemExit(f"the network takes images of height and width {RESOLUTION} alone, not {(height, width)}")
    if folder is None:
        fitting(10, "the digits")
        return *digits((height, width)), 10
    if IN_CHANNELS not in MODES:
        raise SystemExit(f"the network takes {IN_CHANNELS} channels; images of a folder are read with {list(MODES)}")
    train_set = ImageFolder(folder / "train", (height, width), training=True)
    val_set = ImageFolder(folder / "val", (height, width), training=False)
    if val_set.classes != train_set.classes:
        raise SystemExit(f"{folder}/train and {folder}/val hold different classes")
    fitting(len(train_set.classes), str(folder))
    return train_set, val_set, len(train_set.classes)


def fitting(classes: int, images: str) -> None:
    """A network that ends in its own classifier learns as many classes as that has."""
    if OWN_HEAD and classes != NUM_CLASSES:
        raise SystemExit(f"{images}: {classes} classes; the network ends in its own classifier of {NUM_CLASSES}")


def load_weights(net: nn.Module, path: Path) -> None:
    """Load what fits: a classifier of another number of classes stays as it is."""
    own, found = net.state_dict(), torch.load(path, map_location="cpu", weights_only=True)
    loaded = {key: value for key, value in found.items() if key in own and value.shape == own[key].shape}
    net.load_state_dict({**own, **loaded})
    print(f"{len(loaded)} of {len(own)} tensors loaded from {path}")

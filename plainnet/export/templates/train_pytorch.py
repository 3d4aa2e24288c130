"""Train the network of model.py.

python train.py                         on the digits of scikit-learn (or a synthetic set)
python train.py --data images           on images/train/CLASS/*.jpg and images/val/CLASS/*.jpg (needs Pillow)
"""

import argparse
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from model import ANY_SIZE, IN_CHANNELS, NUM_CLASSES, RESOLUTION, Net  # type: ignore[import-not-found]
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

MEAN, STD = 0.45, 0.25
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
        images = patterns[labels] + 0.5 * torch.randn(2000, 8, 8, generator=generator)
    images = nn.functional.interpolate(images[:, None], size=size, mode="bilinear", align_corners=False)
    images = (images.expand(-1, IN_CHANNELS, -1, -1) - MEAN) / STD
    order = torch.randperm(len(labels), generator=generator)
    train, val = order[360:], order[:360]
    return TensorDataset(images[train], labels[train]), TensorDataset(images[val], labels[val])


class ImageFolder(Dataset[tuple[Tensor, int]]):
    """FOLDER/CLASS/IMAGE, cropped to `size`: at random and mirrored for training, the centre otherwise."""

    def __init__(self, folder: Path, size: tuple[int, int], *, training: bool) -> None:
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
        with Image.open(path) as file:
            image = file.convert("L" if IN_CHANNELS == 1 else "RGB")
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


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up over the first twentieth, then a cosine down to nothing; a factor of the largest rate."""
    warmup = max(1, steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def parameter_groups(net: nn.Module, weight_decay: float) -> Iterator[dict[str, Any]]:
    """Weights with decay; biases and batch norms without."""
    yield {"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": weight_decay}
    yield {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0}


@torch.no_grad()
def accuracy(net: nn.Module, loader: DataLoader[Any], device: torch.device) -> float:
    net.eval()
    correct = total = 0
    for images, labels in loader:
        predicted = net(images.to(device)).argmax(dim=1).cpu()
        correct += (predicted == labels).sum().item()
        total += len(labels)
    return correct / total


def load_weights(net: nn.Module, path: Path) -> None:
    """Load what fits: a classifier of another number of classes stays as it is."""
    own, found = net.state_dict(), torch.load(path, map_location="cpu", weights_only=True)
    fitting = {key: value for key, value in found.items() if value.shape == own[key].shape}
    net.load_state_dict({**own, **fitting})
    print(f"{len(fitting)} of {len(own)} tensors loaded from {path}")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the network of model.py.")
    parser.add_argument("--data", type=Path, help="folder with train/ and val/; the digits without it")
    parser.add_argument("--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the images")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--lr", type=float, default=0.05, help="largest learning rate, for a batch of 64")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--weights", type=Path, help="weights to start from")
    parser.add_argument("--out", type=Path, default=Path("trained.pt"), help="where the weights go")
    parser.add_argument("--workers", type=int, default=4, help="processes that read images")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    args = options()
    torch.manual_seed(args.seed)
    random.seed(args.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    keep = args.data or not ANY_SIZE or max(RESOLUTION) <= max(SMALL)
    size = tuple(args.size or (RESOLUTION if keep else SMALL))
    train_set: Any
    val_set: Any
    if args.data:
        train_set = ImageFolder(args.data / "train", size, training=True)
        val_set = ImageFolder(args.data / "val", size, training=False)
        classes, workers = len(train_set.classes), args.workers
    else:
        (train_set, val_set), classes, workers = digits(size), 10, 0
    train_loader = DataLoader(
        train_set, args.batch_size, shuffle=True, drop_last=len(train_set) > args.batch_size, num_workers=workers
    )
    val_loader = DataLoader(val_set, args.batch_size, num_workers=workers)

    net = Net(classes).to(device) if classes != NUM_CLASSES else Net().to(device)
    if args.weights:
        load_weights(net, args.weights)
    lr = args.lr * args.batch_size / 64
    groups = parameter_groups(net, args.weight_decay)
    optimizer = torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True)
    steps = args.epochs * len(train_loader)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, steps))
    loss_function = nn.CrossEntropyLoss(label_smoothing=0.1)

    for epoch in range(1, args.epochs + 1):
        net.train()
        losses = []
        for images, labels in train_loader:
            loss = loss_function(net(images.to(device)), labels.to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        mean = sum(losses) / len(losses)
        print(f"epoch {epoch}: loss {mean:.3f}, accuracy {accuracy(net, val_loader, device):.4f}", flush=True)
    torch.save(net.state_dict(), args.out)
    print(f"weights saved to {args.out}")


if __name__ == "__main__":
    main()

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
from data import datasets, load_weights
from model import Net
from torch import nn
from torch.utils.data import DataLoader


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
    train_set, val_set, classes = datasets(args.data, args.size)
    workers = args.workers if args.data else 0
    train_loader = DataLoader(
        train_set, args.batch_size, shuffle=True, drop_last=len(train_set) > args.batch_size, num_workers=workers
    )
    val_loader = DataLoader(val_set, args.batch_size, num_workers=workers)

    net = Net(classes).to(device)
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

"""Train a network on the digits from Python, with a loop of your own, and use it.

Run: python examples/train_digits.py
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from plainnet import PlainNet
from plainnet.engine import Classification, EpochBasedTrainer, Loader, NamedLoss, Predictor, load_config, train
from plainnet.engine.data.digits import digits
from plainnet.engine.data.pipeline import Normalize, Pipeline
from plainnet.engine.tasks.losses import CrossEntropy

STRUCTURE = "SuperConvK3BNRELU(1,16,1,1)SuperResK3K3(16,32,2,16,1)SuperConvK1BNRELU(32,64,1,1)"


class NoisyTrainer(EpochBasedTrainer):
    """A trainer with a step of its own: it adds noise to the images."""

    def train_step(self, batch):
        batch = {**batch, "image": batch["image"] + 0.1 * torch.randn_like(batch["image"])}
        return super().train_step(batch)

    def after_val_epoch(self, summary):
        print(f"epoch {self.rounds}: validation accuracy {summary['accuracy']:.3f}")


def by_hand() -> None:
    """Register the pieces and fit."""
    data = digits()
    torch.manual_seed(0)
    task = Classification(
        PlainNet(STRUCTURE, num_classes=10, in_channels=1),
        losses=[NamedLoss("cross_entropy", CrossEntropy(label_smoothing=0.1))],
    )
    trainer = NoisyTrainer(epochs=3, device="cpu", clip_norm=5.0)
    trainer.register_model(task)
    optimizer = torch.optim.SGD(task.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    trainer.register_optimizer(optimizer)
    trainer.register_scheduler(torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3))
    trainer.register_loader(
        Loader(data.train, batch_size=64, shuffle=True), Loader(data.val, batch_size=256, shuffle=False)
    )
    normalize = Pipeline([Normalize(data.mean, data.std)])
    trainer.register_transform(normalize, normalize)
    trainer.fit()


def by_configuration(folder: Path) -> None:
    """The same in a configuration, with a run folder, checkpoints and a predictor at the end."""
    config = load_config(
        {"_base_": "quick", "model": {"structure": STRUCTURE}, "run": str(folder / "run")},
        overrides=["train.epochs=3", "device=cpu"],
    )
    summary = train(config)
    print(f"best accuracy {summary.best['value']:.3f} with {summary.params:,} parameters in {summary.run}")
    predictor = Predictor(folder / "run")
    image = digits().val.fetch([0], [0])["image"]
    print("probabilities of the first test image:", [round(p, 2) for p in predictor(image)[0].tolist()])


if __name__ == "__main__":
    by_hand()
    with TemporaryDirectory() as folder:
        by_configuration(Path(folder))

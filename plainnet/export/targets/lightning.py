"""Lightning: a LightningModule, a LightningDataModule, and the YAML of LightningCLI."""

from __future__ import annotations

from plainnet.export.job import Job, Usage

__all__ = ["write"]

_CONFIG = """\
# {title}. Every key can be overridden: python train.py fit --config fit.yaml --trainer.max_epochs 100
seed_everything: 0
trainer:
  max_epochs: 10
  accelerator: auto
  devices: auto
model:
  num_classes: {num_classes}
  lr: 0.05
  weight_decay: 5.0e-4
  weights: {weights}
data:
  folder: null # holds train/CLASS/* and val/CLASS/*; digits without it
  size: null # [height, width]; as exported, or smaller for digits
  batch_size: 64
  workers: 4
"""


def write(job: Job) -> Usage:
    """Write the target's files."""
    job.write_model()
    job.write_template("data.py", "data.py")
    job.write_template("lightning_module.py", "lit.py")
    job.write_template("lightning_train.py", "train.py")
    job.save_weights("weights.pt")
    classes = job.network.counts.output_shape.channels if job.network.brings_head else job.network.num_classes
    weights = "null" if job.weights is None else "weights.pt"
    job.write("fit.yaml", _CONFIG.format(title=job.network.title, num_classes=classes or 10, weights=weights))
    return Usage(
        "`pip install lightning 'jsonargparse[signatures]'`, then `python train.py fit --config fit.yaml`.",
        '`from lit import LitNet; net = LitNet.load_from_checkpoint("....ckpt")`, or `Net` of model.py without lightning.',
    )

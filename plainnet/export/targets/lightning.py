"""Lightning: a LightningModule, a LightningDataModule, and the YAML of LightningCLI."""

from __future__ import annotations

from plainnet.export.config_text import yaml_text
from plainnet.export.job import Job, Usage

__all__ = ["write"]

_TITLE = "{title}. Every key can be overridden: python train.py fit --config fit.yaml --trainer.max_epochs 100"
_COMMENTS = {
    "data.folder": "holds train/CLASS/* and val/CLASS/*; digits without it. The classes are those of the data",
    "data.size": "[height, width]; as exported, or smaller for digits",
}


def write(job: Job) -> Usage:
    """Write the target's files."""
    job.write_model()
    job.write_data()
    job.write_template("lightning_module.py", "lit.py")
    job.write_template("lightning_train.py", "train.py")
    job.save_weights("weights.pt")
    config = {
        "seed_everything": 0,
        "trainer": {"max_epochs": 10, "accelerator": "auto", "devices": "auto"},
        "model": {"lr": 0.05, "weight_decay": 5e-4, "weights": None if job.weights is None else "weights.pt"},
        "data": {"folder": None, "size": None, "batch_size": 64, "workers": 4},
    }
    job.write("fit.yaml", yaml_text(config, title=_TITLE.format(title=job.network.title), comments=_COMMENTS))
    return Usage(
        "`pip install lightning 'jsonargparse[signatures]'`, then `python train.py fit --config fit.yaml`.",
        '`from lit import LitNet; net = LitNet.load_from_checkpoint("....ckpt")`, or `Net` of model.py without lightning.',
    )

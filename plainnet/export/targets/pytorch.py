"""Plain PyTorch: `model.py`, `data.py` and `train.py`."""

from __future__ import annotations

from plainnet.export.job import Job, Usage

__all__ = ["write"]


def write(job: Job) -> Usage:
    """Write the target's files."""
    job.write_model()
    job.write_data()
    job.write_template("train_pytorch.py", "train.py")
    job.save_weights("weights.pt")
    given = job.weights is not None
    load = '; net.load_state_dict(torch.load("weights.pt", weights_only=True))' if given else ""
    option = " --weights weights.pt" if given else ""
    return Usage(
        f"`python train.py{option}` (digits), or with `--data FOLDER` (train/CLASS/*.jpg and val/CLASS/*.jpg).",
        f"`from model import Net; net = Net(){load}`.",
    )

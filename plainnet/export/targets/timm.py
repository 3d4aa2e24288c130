"""timm: a registered model, and the arguments of timm's training script."""

from __future__ import annotations

from typing import Any

from plainnet.errors import UsageError
from plainnet.export.config_text import yaml_text
from plainnet.export.job import Job, Usage
from plainnet.export.literals import literal
from plainnet.export.network import Network

__all__ = ["write"]

_TRAINING = {
    "opt": "sgd",
    "momentum": 0.9,
    "weight_decay": 4e-5,
    "sched": "cosine",
    "epochs": 300,
    "warmup_epochs": 5,
    "lr": 0.025,
    "batch_size": 64,
    "smoothing": 0.1,
    "aa": "rand-m9-mstd0.5",
    "reprob": 0.2,
    "mixup": 0.2,
    "amp": True,
}
_COMMENTS = {"lr": "for a batch of 64; in proportion for others"}
_NO_CLASSES = {"num_classes": "the network was exported without a classifier: put the number of your classes here"}


def write(job: Job) -> Usage:
    """Write the target's files."""
    network = job.network
    if network.brings_head:
        raise UsageError(
            f"{network.title} ends in a vector, and timm puts its own classifier behind a feature map; take away "
            "AdaptiveAvgPool, Flatten and Linear at its end, or export it to pytorch"
        )
    job.write_model()
    job.save_safetensors("weights.safetensors")
    colours, channels = network.shape.channels == 3, network.shape.channels
    mean = job.story.mean or ((0.485, 0.456, 0.406) if colours else (0.5,))
    std = job.story.std or ((0.229, 0.224, 0.225) if colours else (0.25,))
    words = {"MODEL_NAME": network.identifier, "FIRST_CONV": first_convolution(network)}
    words |= {'"IMAGE_MEAN"': literal(_each(mean, channels)), '"IMAGE_STD"': literal(_each(std, channels))}
    job.write_template("timm_model.py", "timm_model.py", **words)
    job.write_template("timm_train.py", "train.py")
    arguments: dict[str, Any] = {"model": network.identifier, "num_classes": network.num_classes}
    arguments["input_size"] = network.shape.as_list()
    if job.weights is not None:
        arguments["initial_checkpoint"] = "weights.safetensors"
    title = f"{network.title}: arguments of timm's train.py, which takes them with --config."
    comments = _COMMENTS if network.num_classes else _COMMENTS | _NO_CLASSES
    job.write("args.yaml", yaml_text(arguments | _TRAINING, title=title, comments=comments))
    return Usage(
        "`python train.py TIMM/train.py --config args.yaml --data-dir IMAGES`, TIMM being a checkout of timm.",
        f'`import timm, timm_model; net = timm.create_model("{network.identifier}")`, with `features_only=True` for maps.',
    )


def _each(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    """One value for each channel."""
    return values * channels if len(values) == 1 else values


def first_convolution(network: Network) -> str:
    """The name of the first convolution, as timm wants it for other numbers of input channels."""
    from plainnet.blocks.rows.layers import Conv

    rows = network.structure.rows(network.shape, variant=network.variant)
    return next((f"blocks.{row.path}" for row in rows if isinstance(row.layer, Conv)), "")

"""timm: a registered model, and the arguments of timm's training script."""

from __future__ import annotations

from plainnet.errors import UsageError
from plainnet.export.job import Job, Usage
from plainnet.export.network import Network

__all__ = ["write"]

_ARGS = """\
# {title}: arguments of timm's train.py, which takes them with --config.
model: {name}
num_classes: {num_classes}
input_size: [{channels}, {height}, {width}]
{weights}opt: sgd
momentum: 0.9
weight_decay: 4.0e-5
sched: cosine
epochs: 300
warmup_epochs: 5
lr: 0.025 # for a batch of 64; in proportion for others
batch_size: 64
smoothing: 0.1
aa: rand-m9-mstd0.5
reprob: 0.2
mixup: 0.2
amp: true
"""


def write(job: Job) -> Usage:
    """Write the target's files."""
    network = job.network
    if network.brings_head:
        raise UsageError(
            f"{network.title} ends in a vector, and timm puts its own classifier behind a feature map; take away "
            "AdaptiveAvgPool, Flatten and Linear at its end, or export it to pytorch"
        )
    job.write_model()
    if job.weights is not None:
        from safetensors.torch import save_file

        save_file(job.weights, job.folder / "weights.safetensors", metadata={"format": "pt"})
    words = {"MODEL_NAME": network.identifier, "FIRST_CONV": first_convolution(network)}
    job.write_template("timm_model.py", "timm_model.py", **words)
    job.write_template("timm_train.py", "train.py")
    shape = network.shape
    job.write(
        "args.yaml",
        _ARGS.format(
            title=network.title,
            name=network.identifier,
            num_classes=network.num_classes or 1000,
            channels=shape.channels,
            height=shape.height,
            width=shape.width,
            weights="" if job.weights is None else "initial_checkpoint: weights.safetensors\n",
        ),
    )
    return Usage(
        "`python train.py TIMM/train.py --config args.yaml --data-dir IMAGES`, TIMM being a checkout of timm.",
        f'`import timm, timm_model; net = timm.create_model("{network.identifier}")`, with `features_only=True` for maps.',
    )


def first_convolution(network: Network) -> str:
    """The name of the first convolution, as timm wants it for other numbers of input channels."""
    from plainnet.blocks.layers import Conv

    rows = network.structure.rows(network.shape, variant=network.variant)
    return next((f"blocks.{row.path}" for row in rows if isinstance(row.layer, Conv)), "")

"""OpenMMLab: one backbone for mmpretrain and mmdetection, and a training with mmengine alone."""

from __future__ import annotations

from typing import Any

from plainnet.errors import UsageError
from plainnet.export.config_text import checked_config
from plainnet.export.job import Job, Usage
from plainnet.export.literals import one_line

__all__ = ["write"]

_IMAGENET = 1000
"""Classes of ImageNet."""
_DIGITS = 10
"""Classes of the digits."""


def write(job: Job) -> Usage:
    """Write the target's files."""
    if job.network.brings_head:
        raise UsageError(
            f"{job.network.title} ends in a vector, and a backbone puts out feature maps; take away AdaptiveAvgPool, "
            "Flatten and Linear at its end, or export it to pytorch"
        )
    if all(level.reduction is None for level in job.network.levels):
        raise UsageError(
            f"{job.network.title} has no map with a stride (its first block pools to a fixed size), and a detector needs "
            "one; export it to pytorch"
        )
    job.write_model()
    job.write_data()
    job.write_template("openmmlab_backbone.py", "backbone.py")
    job.write_template("openmmlab_classifier.py", "classifier.py")
    job.write_template("openmmlab_train.py", "train.py")
    job.save_weights("weights.pth")
    words = _words(job)
    for name, template in _CONFIGS.items():
        job.write(name, checked_config(template.format(**words), template))
    return Usage(
        "`python train.py` (mmengine alone, digits); `PYTHONPATH=. mim train mmpretrain config_mmpretrain.py`, or "
        "`mim train mmdet config_mmdet.py`.",
        "`from backbone import PlainNetBackbone`, in configs `PlainNetBackbone` with "
        "`custom_imports = dict(imports=['backbone'])`.",
    )


def _words(job: Job) -> dict[str, Any]:
    network = job.network
    levels = network.levels
    pyramid = [index for index, level in enumerate(levels) if level.reduction is not None][-4:]
    strides = [level.reduction for index in pyramid if (level := levels[index]).reduction is not None]
    height, width = network.shape.height, network.shape.width
    channels = network.shape.channels
    colours = channels == 3
    classes = network.num_classes or _IMAGENET
    init = "" if job.weights is None else '\n        init_cfg=dict(type="Pretrained", checkpoint="weights.pth"),'
    return {
        "title": one_line(network.title),
        "init": init,
        "norm_eval": job.weights is not None,  # fresh weights have no statistics to keep
        "num_classes": classes,
        "small_classes": _DIGITS,
        "topk": (1, 5) if classes >= 5 else (1,),
        "images": "ImageNet" if classes == _IMAGENET else "the images of a folder",
        "train_set": _dataset("train", classes),
        "val_set": _dataset("val", classes),
        "channels": levels[-1].channels,
        "mean": _levels(job, job.story.mean) or ([123.675, 116.28, 103.53] if colours else [127.5] * channels),
        "std": _levels(job, job.story.std) or ([58.395, 57.12, 57.375] if colours else [127.5] * channels),
        "to_rgb": colours,
        "crop": height if height == width else (height, width),
        "center": height if height == width else (width, height),  # CenterCrop alone has the width first
        "edge": round(max(height, width) * 8 / 7),  # of the short side: the crop fits whatever the image's shape
        "load": 'type="LoadImageFromFile"' + ("" if colours else ', color_type="grayscale"'),
        "grey": "" if colours else _GREY.format(channels=network.shape.channels),
        "out_indices": tuple(pyramid),
        "pyramid_channels": [levels[index].channels for index in pyramid],
        "pyramid_strides": strides,
        "strides": _strides(strides),
        "maps": max(5, len(pyramid)),
    }


def _levels(job: Job, values: tuple[float, ...] | None) -> list[float]:
    """Means or deviations of pixels from 0 to 255, one a channel; empty where none are known."""
    found = [round(255 * value, 3) for value in values or ()]
    return found * job.network.shape.channels if len(found) == 1 else found


def _dataset(split: str, classes: int) -> str:
    """The arguments of mmpretrain's dataset: ImageNet as it is unpacked, or a folder for each class."""
    if classes == _IMAGENET:
        return f'type="ImageNet", data_root="data/imagenet", split="{split}"'
    return f'type="CustomDataset", data_root="images", data_prefix="{split}"'


def _strides(strides: list[int]) -> list[int]:
    """The strides of a pyramid's levels: those of the backbone, and further ones of half the size each, five at least."""
    while len(strides) < 5:
        strides = [*strides, 2 * strides[-1]]
    return strides


_MMENGINE = """\
# {title}: a short training with mmengine alone. `python train.py`
custom_imports = dict(imports=["backbone", "classifier"])
model = dict(
    type="PooledClassifier",
    num_classes={small_classes},  # of the digits; of images in a folder as many as it has classes
    in_channels={channels},
    backbone=dict(
        type="PlainNetBackbone",
        out_indices=(-1,),{init}
    ),
)
train_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(type="Images", split="train"),  # folder="images" for images/train/CLASS/*
    sampler=dict(type="DefaultSampler", shuffle=True),
    collate_fn=dict(type="default_collate"),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=0,
    dataset=dict(type="Images", split="val"),
    sampler=dict(type="DefaultSampler", shuffle=False),
    collate_fn=dict(type="default_collate"),
)
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, by_epoch=True, end=1, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=1, end=10, convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=10, val_interval=1)
val_cfg = dict()
val_evaluator = dict(type="TopOne")
randomness = dict(seed=0)
default_scope = "mmengine"
work_dir = "work_dirs/mmengine"
"""

_MMPRETRAIN = """\
# {title}: {images} with mmpretrain. `PYTHONPATH=. mim train mmpretrain config_mmpretrain.py`
custom_imports = dict(imports=["backbone"])
_base_ = ["mmpretrain::_base_/default_runtime.py"]
model = dict(
    type="ImageClassifier",
    backbone=dict(
        type="PlainNetBackbone",
        out_indices=(-1,),{init}
    ),
    neck=dict(type="GlobalAveragePooling"),
    head=dict(
        type="LinearClsHead",
        num_classes={num_classes},
        in_channels={channels},
        loss=dict(type="LabelSmoothLoss", label_smooth_val=0.1, mode="original"),
        topk={topk},
    ),
)
data_preprocessor = dict(
    num_classes={num_classes},
    mean={mean},
    std={std},
    to_rgb={to_rgb},
)
train_pipeline = [
    dict({load}),
    dict(type="RandomResizedCrop", scale={crop}),
    dict(type="RandomFlip", prob=0.5, direction="horizontal"),
    dict(type="PackInputs"),
]
test_pipeline = [
    dict({load}),
    dict(type="ResizeEdge", scale={edge}, edge="short"),
    dict(type="CenterCrop", crop_size={center}),
    dict(type="PackInputs"),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    dataset=dict({train_set}, pipeline=train_pipeline),
    sampler=dict(type="DefaultSampler", shuffle=True),
)
val_dataloader = dict(
    batch_size=64,
    num_workers=8,
    persistent_workers=True,
    dataset=dict({val_set}, pipeline=test_pipeline),
    sampler=dict(type="DefaultSampler", shuffle=False),
)
val_evaluator = dict(type="Accuracy", topk={topk})
test_dataloader = val_dataloader
test_evaluator = val_evaluator
optim_wrapper = dict(
    # for 256 images in a step; `--auto-scale-lr` fits the rate to yours
    optimizer=dict(type="SGD", lr=0.1, momentum=0.9, nesterov=True, weight_decay=4e-5),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.01, by_epoch=True, end=5, convert_to_iter_based=True),
    dict(type="CosineAnnealingLR", by_epoch=True, begin=5, end=300, convert_to_iter_based=True),
]
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=1)
val_cfg = dict()
test_cfg = dict()
auto_scale_lr = dict(base_batch_size=256)
"""

_GREY = """
# The network takes {channels} channels: set data_preprocessor (mean, std, bgr_to_rgb) and the color_type of the pipelines."""

_MMDET = """\
# {title}: RetinaNet on COCO with mmdetection. `PYTHONPATH=. mim train mmdet config_mmdet.py`
# The levels have strides {pyramid_strides}.{grey}
custom_imports = dict(imports=["backbone"])
_base_ = [
    "mmdet::_base_/models/retinanet_r50_fpn.py",
    "mmdet::_base_/datasets/coco_detection.py",
    "mmdet::_base_/schedules/schedule_1x.py",
    "mmdet::_base_/default_runtime.py",
]
model = dict(
    backbone=dict(
        _delete_=True,
        type="PlainNetBackbone",
        out_indices={out_indices},
        norm_eval={norm_eval},{init}
    ),
    neck=dict(in_channels={pyramid_channels}, start_level=0, num_outs={maps}),
    bbox_head=dict(anchor_generator=dict(strides={strides})),
)
optim_wrapper = dict(clip_grad=dict(max_norm=10, norm_type=2))
"""

_CONFIGS = {"config_mmengine.py": _MMENGINE, "config_mmpretrain.py": _MMPRETRAIN, "config_mmdet.py": _MMDET}

"""The handwritten digits that scikit-learn carries: 1,797 images of 8x8, ten classes; nothing is downloaded."""

from __future__ import annotations

import torch

from plainnet.engine.data.source import DataSource, TensorSamples
from plainnet.errors import MissingExtraError, UsageError

__all__ = ["digits"]

SPLIT_SEED = 20210708
"""Fixed, so that every run is judged on the same 360 images."""


def digits(*, size: int = 8, channels: int = 1) -> DataSource:
    """1,437 training and 360 test images (a fifth of each class), `size` x `size` (8, or enlarged bilinearly).

    The grey value is repeated in all `channels`.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998), the test part, as in scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train") from error
    if size < 8:
        raise UsageError(f"digits are 8x8 images, size is {size}; accepted: 8 or more")
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    if size != 8:
        images = torch.nn.functional.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
    images = images.repeat(1, channels, 1, 1)
    labels = torch.tensor(data.target, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(SPLIT_SEED))
    test = torch.cat(
        [order[labels[order] == digit][: int((labels == digit).sum()) // 5 + (digit % 2)] for digit in range(10)]
    )
    is_test = torch.zeros(len(labels), dtype=torch.bool).index_fill(0, test, True)
    return DataSource(
        train=TensorSamples(images[~is_test], labels[~is_test]),
        val=TensorSamples(images[is_test], labels[is_test]),
        classes=tuple(map(str, range(10))),
        shape=(channels, size, size),
        mean=(0.305,) * channels,
        std=(0.376,) * channels,
        reader={"invert": "auto"},
    )

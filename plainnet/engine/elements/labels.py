"""Labels of one image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.elements.element import Element
from plainnet.errors import UsageError

__all__ = ["LabelData"]


class LabelData(Element):
    """Labels and scores of one image, of any form."""

    @staticmethod
    def label_to_onehot(label: Tensor, num_classes: int) -> Tensor:
        """Class numbers (K,) as a vector (num_classes,) of 0 and 1."""
        label = torch.as_tensor(label)
        if label.is_floating_point() or label.ndim > 1:
            raise UsageError(f"labels are {tuple(label.shape)} of {label.dtype}; accepted: integers (K,)")
        if label.numel() and not 0 <= int(label.min()) <= int(label.max()) < num_classes:
            raise UsageError(f"labels go from {int(label.min())} to {int(label.max())}, of {num_classes} classes")
        return (
            F.one_hot(label.reshape(-1).long(), num_classes).amax(0) if label.numel() else label.new_zeros(num_classes)
        )

    @staticmethod
    def onehot_to_label(onehot: Tensor) -> Tensor:
        """The class numbers of a vector of 0 and 1."""
        if onehot.ndim != 1 or not bool(((onehot == 0) | (onehot == 1)).all()):
            raise UsageError(f"a {tuple(onehot.shape)} of {onehot.dtype} is no vector of 0 and 1")
        return onehot.nonzero().flatten()

"""Losses of dense predictions: for each pixel, or for each place of a map.

Each is a mean over the images of the batch of a number that depends on one image alone, so that batches, accumulated parts and
processes add up exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.tasks.anchor_free import NONE, centredness
from plainnet.engine.tasks.boxes import generalized_iou
from plainnet.errors import UsageError

__all__ = [
    "BoxLoss",
    "CentreLoss",
    "ClassLoss",
    "Dice",
    "DistillBoxes",
    "DistillClasses",
    "PixelCrossEntropy",
    "PixelFocal",
]


class _OfPixels(nn.Module):
    """ignore_index: the class of pixels that nothing is known about."""

    def __init__(self, *, ignore_index: int = 255) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def known(self, logits: Tensor, mask: Tensor) -> Tensor:
        """Which pixels (N, H, W) count; `UsageError` for a class that is none."""
        known = mask != self.ignore_index
        classes = logits.shape[1]
        if mask.numel():
            low, high = (int(each) for each in torch.where(known, mask, 0).aminmax())
            if low < 0 or high >= classes:
                raise UsageError(
                    f"masks hold classes from {low} to {high}, of {classes}; pixels to leave out are {self.ignore_index}"
                )
        return known


def _of_images(values: Tensor, known: Tensor) -> Tensor:
    """The mean over images of the mean over an image's known pixels; an image without any counts 0."""
    return ((values * known).flatten(1).sum(1) / known.flatten(1).sum(1).clamp_min(1)).mean()


class PixelCrossEntropy(_OfPixels):
    """-log softmax(logits)[class] of logits (N, K, H, W) and masks (N, H, W): mean over an image's pixels, then over images.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """A scalar."""
        known = self.known(logits, mask)
        return _of_images(F.cross_entropy(logits, mask.where(known, 0), reduction="none"), known)


class PixelFocal(_OfPixels):
    """-(1 - p)^gamma log p with p = softmax(logits)[class]: easy pixels count less.

    Source: Lin, Goyal, Girshick, He, Dollar, Focal Loss for Dense Object Detection (2017), equation 4, for several classes.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def __init__(self, *, gamma: float = 2.0, ignore_index: int = 255) -> None:
        super().__init__(ignore_index=ignore_index)
        if gamma < 0:
            raise UsageError(f"gamma is {gamma}; accepted: 0 or more")
        self.gamma = gamma

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """A scalar."""
        known = self.known(logits, mask)
        entropy = F.cross_entropy(logits, mask.where(known, 0), reduction="none")
        return _of_images((1 - (-entropy).exp()).clamp_min(0) ** self.gamma * entropy, known)


class Dice(_OfPixels):
    """1 - 2 sum(p t) / (sum p + sum t), mean over the classes that an image holds, then over images; p = softmax(logits), t the
    classes as 0 and 1. An image of ignored pixels alone counts 0.

    Source: Milletari, Navab, Ahmadi, V-Net (2016), section 3, without squares.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        """A scalar."""
        known = self.known(logits, mask)
        wanted = F.one_hot(mask.where(known, 0), logits.shape[1]).movedim(-1, 1) * known[:, None]
        given = logits.softmax(1) * known[:, None]
        both, sizes = (given * wanted).sum((2, 3)), given.sum((2, 3)) + wanted.sum((2, 3))
        held = wanted.sum((2, 3)) > 0
        share = 1 - 2 * both / sizes.clamp_min(torch.finfo(logits.dtype).tiny)
        return ((share * held).sum(1) / held.sum(1).clamp_min(1)).mean()


class ClassLoss(nn.Module):
    """Focal loss of class logits (N, P, K), a sigmoid each, against the class (N, P) that a place answers for; summed over an
    image's places and divided by how many answer for an object (at least 1).

    With p the sigmoid where the class is right and 1 - p elsewhere: -a (1 - p)^gamma log p, a = alpha or 1 - alpha.
    Source: Lin et al. (2017), equation 5. Dividing image by image, not by the batch's number, is ours: see the module.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def __init__(self, *, alpha: float = 0.25, gamma: float = 2.0) -> None:
        super().__init__()
        if not 0 <= alpha <= 1 or gamma < 0:
            raise UsageError(f"alpha is {alpha}, gamma {gamma}; accepted: 0 to 1, and 0 or more")
        self.alpha, self.gamma = alpha, gamma

    def forward(self, class_logits: Tensor, target_class: Tensor) -> Tensor:
        """A scalar."""
        wanted = F.one_hot(target_class + 1, class_logits.shape[2] + 1)[..., 1:].to(class_logits.dtype)
        entropy = F.binary_cross_entropy_with_logits(class_logits, wanted, reduction="none")
        right = (-entropy).exp()
        weight = self.alpha * wanted + (1 - self.alpha) * (1 - wanted)
        sums = (weight * (1 - right).clamp_min(0) ** self.gamma * entropy).sum((1, 2))
        return (sums / (target_class != NONE).sum(1).clamp_min(1)).mean()


class BoxLoss(nn.Module):
    """1 - generalized IoU of the boxes at `distances` (N, P, 4) and at `target_distances`, over the places that answer for an
    object, weighted by how central they are; divided by the sum of the weights of the image.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def forward(self, distances: Tensor, target_distances: Tensor, target_class: Tensor) -> Tensor:
        """A scalar."""
        return _apart(distances, target_distances, centredness(target_distances) * (target_class != NONE))


class CentreLoss(nn.Module):
    """Binary cross-entropy of logits (N, P) against how central a place is in its object, over the places that answer for one.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def forward(self, centre_logits: Tensor, target_distances: Tensor, target_class: Tensor) -> Tensor:
        """A scalar."""
        answers = target_class != NONE
        wanted = centredness(target_distances)
        entropy = F.binary_cross_entropy_with_logits(centre_logits, wanted, reduction="none")
        return ((entropy * answers).sum(1) / answers.sum(1).clamp_min(1)).mean()


class DistillClasses(nn.Module):
    """T^2 KL of the teacher's and the student's probabilities of each class, sigmoid(logits / T) of logits (N, P, K), summed over
    the classes; mean over an image's places, weighted by how sure the teacher is of its best class there, then over images.

    Source: the distance is that of Hinton et al. (2015), section 2, for K answers of yes or no; to weight places so is from Du et
    al., Distilling Object Detectors with Feature Richness (2021), to divide by the image's weights is ours.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def __init__(self, *, temperature: float = 1.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise UsageError(f"temperature is {temperature}; accepted: above 0")
        self.temperature = temperature

    def forward(self, class_logits: Tensor, teacher_class_logits: Tensor) -> Tensor:
        """A scalar."""
        _check_places(class_logits, teacher_class_logits)
        own, taught = class_logits / self.temperature, teacher_class_logits / self.temperature
        wanted = taught.sigmoid()
        apart = wanted * (F.logsigmoid(taught) - F.logsigmoid(own))
        apart = apart + (1 - wanted) * (F.logsigmoid(-taught) - F.logsigmoid(-own))
        return _of_places(apart.sum(2), _sureness(teacher_class_logits)) * self.temperature**2


class DistillBoxes(nn.Module):
    """1 - generalized IoU of the student's and the teacher's boxes, at `distances` (N, P, 4) each; mean over an image's places,
    weighted by how sure the teacher is of its best class there, then over images.

    Experimental: what tasks of maps and boxes take may still change.
    """

    def forward(self, distances: Tensor, teacher_distances: Tensor, teacher_class_logits: Tensor) -> Tensor:
        """A scalar."""
        _check_places(distances, teacher_distances)
        return _apart(distances, teacher_distances, _sureness(teacher_class_logits))


def _apart(distances: Tensor, wanted: Tensor, weight: Tensor) -> Tensor:
    """1 - generalized IoU of boxes at distances (N, P, 4) around the same places."""
    given, there = (torch.cat([-each[..., :2], each[..., 2:]], -1) for each in (distances, wanted))
    return _of_places(1 - generalized_iou(given, there), weight)


def _of_places(values: Tensor, weight: Tensor) -> Tensor:
    """The mean over images of the mean over an image's places of values (N, P) by `weight` (N, P); 0 without any weight."""
    return ((values * weight).sum(1) / weight.sum(1).clamp_min(1e-6)).mean()


def _sureness(class_logits: Tensor) -> Tensor:
    """The largest probability (N, P) of a class at each place."""
    return class_logits.sigmoid().amax(2)


def _check_places(own: Tensor, taught: Tensor) -> None:
    if own.shape != taught.shape:
        raise UsageError(
            f"the student says {tuple(own.shape)} (images, places, numbers), the teacher {tuple(taught.shape)}; accepted: maps "
            "of one size, with the same classes"
        )

"""One class for each pixel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.source import Batch
from plainnet.engine.means import Ratio
from plainnet.engine.tasks.losses import NamedLoss
from plainnet.engine.tasks.task import Said, Task
from plainnet.errors import UsageError

__all__ = ["Segmentation"]


class Segmentation(Task):
    """Logits (N, K, H, W) of images (N, C, H, W); a map that the network puts out smaller is enlarged bilinearly.

    Batches hold `mask` (N, H, W), the class of each pixel, `ignore_index` where it is not known. Losses take `logits` and `mask`;
    metric: `pixel_accuracy`; the evaluator `MeanIoU` goes with it.

    Experimental: what tasks of maps and boxes take may still change.
    """

    takes_maps = True

    def __init__(self, model: nn.Module, *, losses: Sequence[NamedLoss], ignore_index: int = 255) -> None:
        super().__init__(model, losses=losses)
        self.ignore_index = ignore_index

    def train_forward(self, batch: Batch) -> dict[str, Any]:
        """`logits` (N, K, H, W)."""
        return {"logits": self._logits(batch["image"])}

    def infer_forward(self, batch: Batch) -> dict[str, Any]:
        """`logits`, and `segmentation` (N, H, W), the most probable class of each pixel."""
        outputs = self.train_forward(batch)
        return {**outputs, **self.postprocess(outputs)}

    def _logits(self, image: Tensor) -> Tensor:
        found = self.model(image)
        maps = list(found.values()) if isinstance(found, Mapping) else [found]
        if len(maps) != 1 or not isinstance(maps[0], Tensor) or maps[0].ndim != 4:
            shapes = ", ".join(
                str(tuple(each.shape)) if isinstance(each, Tensor) else type(each).__name__ for each in maps
            )
            raise UsageError(
                f"a segmentation takes one map of logits (N, K, H, W) of its network, and it puts out {shapes}; a structure "
                "that ends with its map is built with num_classes=0"
            )
        logits: Tensor = maps[0]
        if logits.shape[-2:] != image.shape[-2:]:
            logits = F.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)
        return logits

    def postprocess(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """`segmentation` (N, H, W)."""
        return {"segmentation": outputs["logits"].argmax(1)}

    def say(
        self,
        outputs: Mapping[str, Any],
        classes: Sequence[str],
        to_image: Callable[[Tensor], Tensor],  # noqa: ARG002
    ) -> Said:
        """The share of the image that each class has, largest first."""
        counts = torch.bincount(outputs["segmentation"][0].flatten(), minlength=len(classes)).double()
        shares = counts / counts.sum()
        order = [at for at in shares.argsort(descending=True, stable=True).tolist() if shares[at] > 0]
        found = {classes[at] if at < len(classes) else f"output {at}": float(shares[at]) for at in order}
        return Said({"shares": found}, ", ".join(f"{name} {100 * share:.1f} %" for name, share in found.items()))

    def draw(self, picture: Any, outputs: Mapping[str, Any], classes: Sequence[str]) -> bool:  # noqa: ARG002
        """The classes of the pixels as colours, but for the first (the background)."""
        picture.classes(outputs["segmentation"][0])
        return True

    @torch.no_grad()
    def metrics(self, outputs: Mapping[str, Any], batch: Batch) -> dict[str, Any]:
        """`pixel_accuracy`: right pixels over known pixels."""
        known = batch["mask"] != self.ignore_index
        right = (outputs["logits"].argmax(1) == batch["mask"]) & known
        return {"pixel_accuracy": Ratio(right.sum(), int(known.sum()))}

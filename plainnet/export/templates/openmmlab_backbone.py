"""The network of model.py as an OpenMMLab backbone: PlainNetBackbone, for mmpretrain, mmdetection, mmsegmentation."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmengine.registry import MODELS
from model import Net
from torch import Tensor, nn


@MODELS.register_module()
class PlainNetBackbone(Net, BaseModule):
    """The feature maps of the levels in `out_indices`, from the largest map (0) to the smallest (-1).

    frozen_stages: the levels that are not trained: 2 for levels 0 and 1, -1 or 0 for none.
    norm_eval: keep the batch norms' statistics in training, as detection with small batches wants it.
    """

    def __init__(
        self,
        out_indices: Sequence[int] = (-1,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes=0)
        count = len(self.LEVELS)
        if not out_indices or not all(isinstance(index, int) and -count <= index < count for index in out_indices):
            raise ValueError(
                f"out_indices is {out_indices!r}; accepted: levels from 0 to {count - 1}, or from -{count}"
            )
        if not isinstance(frozen_stages, int) or not -1 <= frozen_stages <= count:
            raise ValueError(f"frozen_stages is {frozen_stages!r}; accepted: -1 or 0 for none, up to {count} for all")
        self.init_cfg = init_cfg
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        last = self.LEVELS[frozen_stages - 1][0] if frozen_stages > 0 else -1
        self.frozen = list(self.blocks)[: last + 1]
        for part in self.frozen:
            part.requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        levels = self.forward_levels(x)
        return tuple(levels[index] for index in self.out_indices)

    def train(self, mode: bool = True) -> "PlainNetBackbone":
        super().train(mode)
        for part in self.frozen:
            part.eval()
        if mode and self.norm_eval:
            for part in self.modules():
                if isinstance(part, nn.BatchNorm2d):
                    part.eval()
        return self

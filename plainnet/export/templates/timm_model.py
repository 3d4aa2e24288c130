"""The network of model.py as a registered timm model: timm.create_model("MODEL_NAME")."""

from pathlib import Path
from typing import Any

from model import IN_CHANNELS, NUM_CLASSES, NUM_FEATURES, RESOLUTION, Net
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from torch import Tensor, nn
from torch.nn import functional

WEIGHTS = Path(__file__).with_name("weights.safetensors")

default_cfgs = generate_default_cfgs(
    {
        "MODEL_NAME": {
            "url": "",
            "file": str(WEIGHTS) if WEIGHTS.exists() else None,
            "num_classes": NUM_CLASSES,
            "input_size": (IN_CHANNELS, *RESOLUTION),
            "crop_pct": 0.875,
            "interpolation": "bicubic",
            "mean": "IMAGE_MEAN",
            "std": "IMAGE_STD",
            "first_conv": "FIRST_CONV",
            "classifier": "head",
        },
    },
)


class TimmNet(Net):
    """`Net` with what timm asks of a model."""

    def __init__(
        self,
        num_classes: int = NUM_CLASSES,
        in_chans: int = IN_CHANNELS,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
    ) -> None:
        if in_chans != IN_CHANNELS:
            raise ValueError(f"the network takes {IN_CHANNELS} channels, in_chans is {in_chans}")
        super().__init__(num_classes)
        self.num_classes = num_classes
        self.num_features = self.head_hidden_size = NUM_FEATURES
        self.drop_rate = drop_rate
        self.feature_info = [
            {"num_chs": channels, "reduction": reduction, "module": f"blocks.{block}"}
            for block, channels, reduction in self.LEVELS
            if reduction is not None  # a map of one size whatever the image is has no stride
        ]
        self.set_pool(global_pool)

    def set_pool(self, global_pool: str) -> None:
        if global_pool not in ("avg", ""):
            raise ValueError(f"global_pool is {global_pool!r}; accepted: 'avg', or '' for none")
        self.pool = nn.AdaptiveAvgPool2d(1) if global_pool else nn.Identity()
        self.flatten = nn.Flatten(1) if global_pool else nn.Identity()

    def get_classifier(self) -> nn.Module:
        return self.head

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        self.num_classes = num_classes
        self.head = nn.Linear(NUM_FEATURES, num_classes) if num_classes else nn.Identity()
        if global_pool is not None:
            self.set_pool(global_pool)

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.flatten(self.pool(x))
        if self.drop_rate:
            x = functional.dropout(x, self.drop_rate, self.training)
        return x if pre_logits else self.head(x)

    def group_matcher(self, coarse: bool = False) -> dict[str, str]:
        return {"stem": r"^blocks\.0", "blocks": r"^blocks\.(\d+)"}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        if enable:
            raise ValueError("gradient checkpointing is not supported")


@register_model
def MODEL_NAME(pretrained: bool = False, **kwargs: Any) -> TimmNet:
    levels = [block for block, _, reduction in Net.LEVELS if reduction is not None]
    feature_cfg = {"feature_cls": "hook", "out_indices": tuple(range(len(levels)))}
    return build_model_with_cfg(TimmNet, "MODEL_NAME", pretrained, feature_cfg=feature_cfg, **kwargs)

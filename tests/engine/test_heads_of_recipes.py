"""The heads of the recipes are those of the templates, which the tasks take; several heads on one trunk are trained together."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from plainnet import PlainNet
from plainnet.engine import Detection, EpochBasedTrainer, Loader, NamedLoss, Segmentation, Task
from plainnet.engine.data.scenes import digits_scenes
from plainnet.engine.run.training_run import load_config
from plainnet.engine.tasks.dense_losses import BoxLoss, CentreLoss, ClassLoss, PixelCrossEntropy
from plainnet.templates.components import compose

NETWORKS: dict[str, dict[str, Any]] = {
    "segment": {
        "backbone": "ConvKXBNRELU(1,16,3,1)ConvKXBNRELU(16,32,3,2)ConvKXBNRELU(32,64,3,2)ConvKXBNRELU(64,64,3,1)"
        "ConvKXBNRELU(64,64,3,1)ConvKXBNRELU(64,96,3,2)ConvKXBNRELU(96,96,3,1)ConvKXBNRELU(96,96,3,1)",
        "neck": "MultiSumBlock(ConvKX(96,64,1,1)Upsample(64,2,0);From(c2))ConvKXBNRELU(64,64,3,1)"
        "MultiSumBlock(ConvKX(64,32,1,1)Upsample(32,2,0);From(c1))ConvKXBNRELU(32,32,3,1)",
        "heads": {"masks": {"type": "dense", "num_classes": 11}},
    },
    "detect": {
        "backbone": "ConvKXBNRELU(1,16,3,2)ConvKXBNRELU(16,32,3,2)ConvKXBNRELU(32,64,3,1)ConvKXBNRELU(64,64,3,1)"
        "ConvKXBNRELU(64,64,3,2)ConvKXBNRELU(64,64,3,1)ConvKXBNRELU(64,64,3,1)",
        "neck": "MultiSumBlock(p2|ConvKX(64,64,1,1)Upsample(64,2,0);From(c2))",
        "heads": {"boxes": {"type": "anchor_free", "from": ["neck.p2", "backbone.c3"], "num_classes": 10}},
    },
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_recipe_is_written_by_the_templates(name: str) -> None:
    written = load_config({"_base_": name}).value.model.model_dump()["structure"]
    assert "".join(written.split()) == compose(**NETWORKS[name])
    net = PlainNet(written, init="default").eval()
    task: Task = (
        Segmentation(net, losses=[NamedLoss("pixels", PixelCrossEntropy())])
        if name == "segment"
        else Detection(net, losses=[NamedLoss("class", ClassLoss()), NamedLoss("box", BoxLoss())])
    )
    outputs = task.train_forward({"image": torch.zeros(1, 1, 32, 32)})
    classes = outputs["logits"].shape[1] if name == "segment" else outputs["class_logits"].shape[2]
    assert classes == {"segment": 11, "detect": 10}[name]


class Scenes(Task):
    """Masks and boxes of one trunk, each head under the task that knows it."""

    takes_maps = True

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model, losses=[])
        self.masks = Segmentation(_Head("heads.masks"), losses=[NamedLoss("pixels", PixelCrossEntropy())])
        losses = [NamedLoss("class", ClassLoss()), NamedLoss("box", BoxLoss()), NamedLoss("centre", CentreLoss())]
        self.boxes = Detection(_Head("heads.boxes"), losses=losses)

    def train_forward(self, batch: Any) -> dict[str, Any]:
        found = self.model(batch["image"])
        for task in (self.masks, self.boxes):
            task.model.found = found
        return {"masks": self.masks.train_forward(batch), "boxes": self.boxes.train_forward(batch)}

    def losses(self, outputs: Any, batch: Any) -> dict[str, Tensor]:
        found = [task.losses(outputs[name], batch) for name, task in (("masks", self.masks), ("boxes", self.boxes))]
        return {"loss": found[0]["loss"] + found[1]["loss"], "masks": found[0]["loss"], "boxes": found[1]["loss"]}


class _Head(nn.Module):
    """What a head put out of the network that ran already."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.found = name, dict[str, Tensor]()

    def forward(self, image: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        return {name: value for name, value in self.found.items() if name.startswith(self.name)}


@pytest.mark.slow
def test_two_heads_of_one_trunk_are_trained_together() -> None:
    """Scenes hold masks and boxes: the sum of both tasks' losses falls, and trunk and heads learn."""
    torch.manual_seed(0)
    net = PlainNet(
        compose(
            "ConvKXBNRELU(1,8,3,2)ConvKXBNRELU(8,16,3,2)ConvKXBNRELU(16,16,3,2)",
            neck={"type": "fpn", "from": ["backbone.c2", "backbone.c3"], "channels": 16},
            heads={
                "masks": {"type": "dense", "from": "neck.p2", "num_classes": 11},
                "boxes": {"type": "anchor_free", "from": ["neck.p2", "neck.p3"], "num_classes": 10},
            },
            resolution=64,
        ),
        init="default",
    )
    before = {name: value.clone() for name, value in net.named_parameters()}
    data = digits_scenes(size=64, train=64, val=16)
    trainer = EpochBasedTrainer(epochs=4, device="cpu")
    trainer.register_model(Scenes(net))
    trainer.register_optimizer(torch.optim.Adam(net.parameters(), lr=3e-3))
    trainer.register_loader(
        Loader(data.train, batch_size=16, shuffle=True), Loader(data.val, batch_size=16, shuffle=False)
    )
    history = trainer.fit()
    first, last = (history[at]["train"] for at in (0, -1))
    assert last["masks"] < first["masks"]
    assert last["boxes"] < first["boxes"]
    for prefix in net.part_prefixes.values():
        own = [name for name in before if name.startswith(prefix)]
        assert own
        assert not any(torch.equal(before[name], value) for name, value in net.named_parameters() if name in own), (
            prefix
        )

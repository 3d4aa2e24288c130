"""A trained network used on image files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.images import read_image
from plainnet.engine.data.pipeline import Normalize
from plainnet.engine.networks import network_arguments
from plainnet.engine.registry import Registry
from plainnet.errors import RunError
from plainnet.tensor_files import read_tensors

__all__ = ["Answer", "Predictor"]


@dataclass(frozen=True)
class Answer:
    """The classes of an image, the most probable first."""

    path: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


class Predictor:
    """A trained classifier that stands alone: made from a safetensors file that a run wrote, or from a run folder."""

    def __init__(self, source: Path, *, imports: Sequence[str] = (), device: str = "cpu") -> None:
        path = source / "best.safetensors" if source.is_dir() else source
        if not path.is_file():
            raise RunError(f"there are no trained weights at {path}; give a run folder, or a safetensors file of one")
        weights, about = read_tensors(path, ours=True)
        if "model" not in about:
            raise RunError(f"{path} does not say which network it belongs to (it was not written by a training run)")
        self.classes: list[str] = json.loads(about["classes"])
        self.shape: tuple[int, int, int] = tuple(json.loads(about["shape"]))
        self.reader = json.loads(about["reader"])
        self.read_size: tuple[int, int] = tuple(self.reader.pop("read_size", self.shape[1:]))
        self.normalize = Normalize(json.loads(about["mean"]), json.loads(about["std"]))
        self.device = torch.device(device)
        self.model = self._network(json.loads(about["model"]), Registry(imports))
        self.model.load_state_dict(weights)
        self.model.to(self.device).eval()

    def _network(self, section: dict[str, object], registry: Registry) -> nn.Module:
        kind = str(section.pop("type"))
        arguments = network_arguments(kind, section, shape=self.shape, num_classes=len(self.classes))
        model: nn.Module = registry.find("model", kind)(**arguments)
        return model

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Probabilities (N, K) of images (N, C, H, W) in 0..1, of the size that training read them in."""
        image = self.normalize(images.to(self.device))
        if self.read_size != self.shape[1:]:  # resized once more on the way into the network, as in training
            image = F.interpolate(image, size=self.shape[1:], mode="bilinear", align_corners=False)
        logits: Tensor = self.model(image)
        return logits.softmax(dim=1).cpu()

    def predict(self, paths: Sequence[Path], *, top: int = 3) -> list[Answer]:
        """The `top` classes of each image file."""
        answers = []
        for path in paths:
            image = read_image(path, shape=(self.shape[0], *self.read_size), **self.reader)
            values, indices = self(image.unsqueeze(0))[0].topk(min(top, len(self.classes)))
            names = tuple(self.classes[index] for index in indices.tolist())
            answers.append(Answer(str(path), names, tuple(values.tolist())))
        return answers

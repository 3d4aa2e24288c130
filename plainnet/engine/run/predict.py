"""A trained network used on images."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from plainnet.engine.data.images import read_image, uncropped
from plainnet.engine.data.pipeline import Normalize, check_pixels
from plainnet.engine.pictures.visualizer import Visualizer
from plainnet.engine.run.given_images import as_picture, each_image, given_size
from plainnet.engine.run.on_platform import on_chosen_platform
from plainnet.engine.run.registry import CodeInDataError, Registry
from plainnet.engine.run.typed_values import Maker
from plainnet.engine.run.weights_metadata import read_trained
from plainnet.engine.tasks.task import Task
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.files.exported_tensors import read_trained_tensors
from plainnet.files.tensor_files import other_kinds
from plainnet.files.text_files import printable
from plainnet.results.result import Result, View
from plainnet.results.tables import Table
from plainnet.store.reused_parts import own_name

__all__ = ["Answer", "Predictor"]

SEEN = 512
"""Pixels of a drawn picture's longer side, at most, that a small image is enlarged to."""
SMALL = 64
"""Numbers for each image that an output may hold to be shown as an answer."""


class NeedsWeightsError(UsageError):
    """A task that cannot be used with the weights that it saves."""


@dataclass(frozen=True)
class Answer(Result):
    """What the task says about an image: for classes their names, the most probable first; otherwise its outputs by name."""

    path: str
    classes: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    """The outputs in words, where the task has some."""

    def as_dict(self) -> dict[str, Any]:
        """As data: what there is of it."""
        if self.classes:
            return {"path": self.path, "classes": list(self.classes), "probabilities": list(self.probabilities)}
        return {"path": self.path, "outputs": dict(self.outputs)}

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each class, or for each output."""
        if self.classes:
            pairs = zip(self.classes, self.probabilities, strict=True)
            return [{"path": self.path, "class": name, "probability": share} for name, share in pairs]
        return [{"path": self.path, "output": name, "value": value} for name, value in self.outputs.items()]

    def view(self) -> View:
        """The classes with their probabilities; otherwise the outputs, in words where there are some."""
        before = [("image", printable(self.path))]
        if self.classes:
            rows = [
                [printable(name), f"{100 * share:.1f} %"]
                for name, share in zip(self.classes, self.probabilities, strict=True)
            ]
            return View(before, [Table(["class", "probability"], rows, cut=("class",))])
        said = self.text or ", ".join(f"{name} {value}" for name, value in self.outputs.items())
        return View([*before, ("found", printable(said))])


class Predictor:
    """A trained network that stands alone: made from a safetensors file that a run wrote, or from a run folder.

    imports: your files or modules that its network or task comes from; nothing else that the file names is run. platform: what it
    runs on (`plainnet.platforms`), $PLAINNET_PLATFORM by default, and torch where neither says anything. Raises
    `RunError` for a file that is damaged, or that says something else than a run writes.
    """

    def __init__(
        self, source: str | Path, *, imports: Sequence[str] = (), device: str = "cpu", platform: str | None = None
    ) -> None:
        path = Path(source)
        path = path / "best.safetensors" if os.path.isdir(path) else path  # also of a text that is too long for a path
        if not os.path.isfile(path):
            raise RunError(f"there are no trained weights at {path}; give a run folder, or a safetensors file of one")
        weights, about = read_trained_tensors(path)
        story = read_trained(path, about)
        self.path, self.classes, self.shape = path, story.classes, story.sides
        self.reader = story.reader.model_dump(exclude={"read_size"})
        self.read_size = story.reader.read_size
        self.normalize = Normalize(story.mean, story.std)
        self.device = torch.device(device)
        maker = Maker(Registry(imports), shape=self.shape, num_classes=len(self.classes), from_data=True)
        try:
            self.task = _task(maker, story.model.type, story.model.arguments, story.task.type, story.task.arguments)
            _load(self.task, weights)
        except (CodeInDataError, NeedsWeightsError) as error:
            raise UsageError(f"{path}: {error}") from error
        except (PlainnetError, TypeError, ValueError, RuntimeError, LookupError, AttributeError) as error:
            raise RunError(f"{path} is damaged: its network cannot be made of it: {_one_line(error)}") from error
        self.task.model = on_chosen_platform(self.task.model.eval(), path, device, platform)
        self.model = self.task.model
        self.task.to(self.device).eval()

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of images as the network sees them; `UsageError` for a network of samples that are no images."""
        if not self.shape:
            raise UsageError(
                f"the network of {self.path} takes no images; its task takes batches like those that it was trained on: "
                "Predictor(...).task.infer_forward(batch)"
            )
        return self.shape

    @property
    def read_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of images as they are read, before a task resizes them once more; `UsageError` as `image_shape`."""
        channels, height, width = self.image_shape
        return (channels, *(self.read_size or (height, width)))

    @property
    def input_size(self) -> str:
        """What images are scaled to, in words."""
        channels, height, width = self.read_shape
        kind = {1: "grey", 3: "colour", 4: "colour with alpha"}.get(channels, f"{channels} channels")
        share = self.reader["crop"]
        crop = ", of longer ones the middle" if share == 1 else f", the middle {share:.3g} of the shorter side"
        then = "" if self.read_shape == self.shape else f", then {self.image_shape[2]}x{self.image_shape[1]}"
        return f"{width}x{height} pixels, {kind}{crop}{then}"

    @torch.no_grad()
    def outputs(self, images: Tensor) -> dict[str, Any]:
        """What the task's `infer_forward` puts out for images (N, C, H, W) in 0..1, of the size that training read them in."""
        shape = self.image_shape
        check_pixels(images, normalized=bool(self.normalize.mean.numel()), where="the images")
        image = self.normalize(images.to(self.device))
        if image.shape[-2:] != shape[1:]:  # resized once more on the way into the network, as in training
            image = F.interpolate(image, size=shape[1:], mode="bilinear", align_corners=False)
        batch = {"image": image}
        try:
            found: dict[str, Any] = self.task.infer_forward(batch)
        except KeyError as error:
            name = type(self.task).__name__
            raise UsageError(
                f"infer_forward of {name} takes {error} of the batch, and an image alone has none"
            ) from error
        return found

    def __call__(self, images: Tensor) -> Tensor:
        """Probabilities (N, K) of images (N, C, H, W) in 0..1, of `read_shape`; `UsageError` for a task that gives none."""
        return self._probabilities(self.outputs(images)).cpu()

    def predict(self, inputs: Sequence[Any], *, top: int = 3) -> list[Answer]:
        """The answers for images: files, folders of them, Pillow images, arrays (H, W) or (H, W, C), tensors (C, H, W).

        Whatever has bytes is scaled to `input_size` as the validation images were. Floats are taken as they are: in 0..1,
        of the network's own size. top: classes for each.
        """
        return list(self.each(inputs, top=top))

    def each(self, inputs: Sequence[Any], *, top: int = 3) -> Iterator[Answer]:
        """`predict`, image by image."""
        return (self._answer(name, item, top) for name, item in each_image(inputs))

    def _answer(self, name: str, item: Any, top: int) -> Answer:
        outputs = self.outputs(self._image(name, item).unsqueeze(0))
        said = self.task.say(outputs, self.classes, partial(self._to_image, item))
        if said is not None:
            return Answer(name, outputs=said.plain, text=said.text)
        if "probabilities" in outputs:
            values, indices = self._probabilities(outputs)[0].topk(min(top, outputs["probabilities"].shape[1]))
            return Answer(name, tuple(map(self._class_name, indices.tolist())), tuple(values.tolist()))
        few = {key: _small(value) for key, value in outputs.items() if key != "logits"}
        shown = {key: value for key, value in few.items() if value is not None}
        if not shown:
            raise UsageError(
                f"the task {type(self.task).__name__} puts out {', '.join(outputs)}, and does not say what that means: give it "
                "a postprocess (probabilities for classes, or a few numbers for each image)"
            )
        return Answer(name, outputs=shown)

    def draw(self, item: Any, *, name: str = "the image") -> Any:
        """An image, as the network sees it, with what the task draws on it: a Pillow image. `UsageError` for a task that draws
        nothing.
        """
        image = self._image(name, item)
        picture = Visualizer(
            image.clamp(0, 1)[: 1 if len(image) < 3 else 3], scale=max(1, SEEN // max(image.shape[-2:]))
        )
        if not self.task.draw(picture, self.outputs(image.unsqueeze(0)), self.classes):
            raise self._draws_nothing()
        return picture.picture

    def check_drawing(self) -> None:
        """Raises `UsageError` for a task that never draws: before any image is read."""
        if type(self.task).draw is Task.draw:
            raise self._draws_nothing()

    def _draws_nothing(self) -> UsageError:
        return UsageError(f"the task {type(self.task).__name__} draws nothing on images")

    def _to_image(self, item: Any, boxes: Tensor) -> Tensor:
        """Boxes in what the network saw, in pixels of the image that it was made of."""
        down, right = (read / saw for read, saw in zip(self.read_shape[1:], self.image_shape[1:], strict=True))
        boxes = boxes * torch.tensor([right, down, right, down])
        size = given_size(item)
        if size is None:
            return boxes
        return uncropped(boxes, size, size=(self.read_shape[1], self.read_shape[2]), share=self.reader["crop"])

    def _class_name(self, index: int) -> str:
        return self.classes[index] if index < len(self.classes) else f"output {index}"

    def _probabilities(self, outputs: Mapping[str, Any]) -> Tensor:
        found = outputs.get("probabilities")
        if not isinstance(found, Tensor) or found.ndim != 2 or found.shape[1] < len(self.classes):
            shape = tuple(found.shape) if isinstance(found, Tensor) else "none"
            raise UsageError(
                f"the task {type(self.task).__name__} gives no probabilities (N, {len(self.classes)}) of the classes: {shape}"
            )
        return found

    def _image(self, name: str, item: Any) -> Tensor:
        """An image as the network takes it, (C, H, W) float32, in 0..1 before the normalisation."""
        if isinstance(item, Tensor):
            if item.ndim != 3:
                raise UsageError(f"{name} has the shape {tuple(item.shape)}; accepted: a tensor (C, H, W)")
            if item.is_floating_point():
                return self._as_it_is(name, item)
            item = item.permute(1, 2, 0).cpu().numpy()
        if isinstance(item, np.ndarray):
            if item.dtype.kind == "f":
                item = item[None] if item.ndim == 2 else np.moveaxis(item, -1, 0)
                return self._as_it_is(name, torch.from_numpy(np.ascontiguousarray(item)))
            item = as_picture(name, item)
        return read_image(item, shape=self.read_shape, **self.reader)

    def _as_it_is(self, name: str, image: Tensor) -> Tensor:
        if tuple(image.shape) != self.read_shape:
            raise UsageError(
                f"{name} holds floats of {tuple(image.shape)}, and the network takes {self.read_shape} (C, H, W): floats are not "
                "scaled; give bytes (uint8) or a Pillow image"
            )
        if not bool(((image >= 0) & (image <= 1)).all()):
            low, high = float(image.min()), float(image.max())
            raise UsageError(f"{name} holds floats from {low:.4g} to {high:.4g}; accepted: 0 to 1")
        return image.float()


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 400 else f"{text[:400]}..."


def _small(value: Any) -> Any:
    """An output for one image as plain data; None for what is too large to be an answer."""
    if isinstance(value, Tensor) and value.ndim and len(value) == 1 and value.numel() <= SMALL:
        return value[0].tolist()
    return None


def _task(
    maker: Maker, model: str, model_arguments: Mapping[str, Any], task: str, task_arguments: Mapping[str, Any]
) -> Task:
    ours = model == "PlainNet"  # made without memory, so that only weights that are there take any
    with torch.device("meta") if ours else torch.device("cpu"):
        network = maker.make("model", model, {**model_arguments, "init": "default"} if ours else model_arguments)
    if not isinstance(network, nn.Module):
        raise UsageError(f"model {model} gave a {type(network).__name__}, not an nn.Module")
    given: dict[str, Any] = {"model": network, "losses": []}
    parameters = inspect.signature(maker.find("task", task)).parameters
    given |= {name: value for name, value in (("teacher", nn.Identity()), ("shape", maker.shape)) if name in parameters}
    made = maker.make("task", task, task_arguments, **given)
    if not isinstance(made, Task):
        raise UsageError(f"task {task} gave a {type(made).__name__}, not a Task")
    return made


def _load(task: Task, weights: Mapping[str, Tensor]) -> None:
    module = task.deployable()
    weights = {own_name(module, name): tensor for name, tensor in weights.items()}
    expected = module.state_dict()
    for name, tensor in expected.items():
        if name in weights and weights[name].shape != tensor.shape:
            raise RunError(f"{name} is {list(weights[name].shape)} where {list(tensor.shape)} is meant")
    if kinds := other_kinds(weights, expected):
        raise RunError(", ".join(kinds))
    module.load_state_dict(dict(weights), assign=any(tensor.is_meta for tensor in expected.values()))
    held = {id(parameter) for parameter in module.parameters()}
    own = [name for name, parameter in task.named_parameters() if id(parameter) not in held]
    if own:
        raise NeedsWeightsError(
            f"the task {type(task).__name__} computes with weights of its own ({own[0]}), which the file does not hold: its "
            "deployable() leaves them out"
        )

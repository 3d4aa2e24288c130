"""The images on which a trained network does worst, and best: it is run once over the images that it was validated on."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from plainnet.engine.run.kept_trainings import BEST, CONFIG, config_of
from plainnet.errors import UsageError

__all__ = ["image_extremes"]

SMALL, LARGE = 64, 192
"""Up to this side an image stays as it is, without loss; larger ones are made as large as the other, as JPEG."""


def image_extremes(folder: Path, count: int, *, trust: bool = False) -> dict[str, Any]:
    """`by`: the value that orders them, the loss of each image; `of`: how many images there are; `worst` and `best`, `count` of
    each at most, with `sample` (its number), `label`, `answer`, `probability`, `value`, and `picture`, a data URI.

    Raises `UsageError` for a run without weights, whose samples are no images, or that names code where `trust` is False.
    """
    from plainnet.engine.run.evaluation import evaluate

    if not (folder / BEST).is_file():
        raise UsageError(f"{folder} has no trained weights yet, which say what is worst and best")
    if not trust and names_code(config_of(folder).model_dump()):
        raise UsageError(f"the configuration of {folder} names Python code; --trust runs it")
    cases: list[dict[str, Any]] = []
    evaluate(folder / BEST, cases=cases.extend)
    known = sorted((case for case in cases if case.get("loss") is not None), key=lambda case: -float(case["loss"]))
    if not known:
        raise UsageError(f"{folder} has no loss of single images, which says what is worst and best")
    few = min(count, len(known) // 2) or len(known)
    pictures = _Pictures(folder)
    parts = {"worst": known[:few], "best": known[: -few - 1 : -1] if len(known) > 1 else []}
    return {
        "by": "loss",
        "of": len(cases),
        **{name: [_told(case, pictures) for case in some] for name, some in parts.items()},
    }


def names_code(value: Any) -> bool:
    """Whether plain data of a configuration names code: an import, or a type that is an import path."""
    if isinstance(value, dict):
        kind = value.get("type")
        return (
            bool(value.get("imports"))
            or (isinstance(kind, str) and "." in kind)
            or any(map(names_code, value.values()))
        )
    return isinstance(value, (list, tuple)) and any(map(names_code, value))


def _told(case: dict[str, Any], pictures: _Pictures) -> dict[str, Any]:
    about = {name: case.get(name) for name in ("sample", "label", "answer", "probability")}
    return {**about, "value": case["loss"], "picture": pictures.of(case["sample"])}


class _Pictures:
    """The images of the validation, by their numbers."""

    def __init__(self, folder: Path) -> None:
        from plainnet.engine.run.data_sources import build_data
        from plainnet.engine.run.registry import Registry
        from plainnet.engine.run.training_run import load_config

        config = load_config(folder / CONFIG, begun=True).value
        self.samples = build_data(config.data, Registry(config.imports), only="val").val

    def of(self, number: int) -> str:
        """One as a data URI."""
        from plainnet.engine.data.checking import sample_of
        from plainnet.engine.pictures.visualizer import Visualizer

        image = sample_of(self.samples, number).get("image")
        if image is None or image.ndim != 4 or image.shape[1] not in (1, 3):
            raise UsageError("there is no picture to show; accepted: samples with an image (N, 1 or 3, H, W)")
        picture = Visualizer(image[0].float().clamp(0, 1)).picture
        is_small = max(picture.size) <= SMALL
        if not is_small:
            picture.thumbnail((LARGE, LARGE))
        kind, file = "png" if is_small else "jpeg", io.BytesIO()
        picture.save(file, kind)
        return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"

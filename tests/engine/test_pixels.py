"""What a data set of one's own gives is looked at: no image of another type or range is trained on, or used, in silence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

from plainnet.engine import Classification, EpochBasedTrainer, Loader, MapSamples, NamedLoss, Predictor, TensorSamples
from plainnet.engine.data.pipeline import Normalize, Pipeline
from plainnet.errors import RunError, UsageError

BYTES = torch.randint(0, 256, (8, 1, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
LABELS = torch.arange(8) % 2


class Made(Dataset[Any]):
    def __init__(self, make: Callable[[Tensor], Any]) -> None:
        self.make = make

    def __len__(self) -> int:
        return len(BYTES)

    def __getitem__(self, index: int) -> Any:
        return self.make(BYTES[index]), int(LABELS[index])


def fit(
    make: Callable[[Tensor], Any], *, val: Callable[[Tensor], Any] | None = None, mean: tuple[float, ...] = (0.5,)
) -> None:
    task = Classification(
        nn.Sequential(nn.Flatten(), nn.Linear(16, 2)),
        losses=[NamedLoss("ce", nn.CrossEntropyLoss(), takes=["logits", "label"])],
    )
    trainer = EpochBasedTrainer(epochs=1, device="cpu")
    trainer.register_model(task)
    trainer.register_optimizer(torch.optim.SGD(task.parameters(), lr=0.01))
    trainer.register_loader(
        Loader(MapSamples(Made(make)), batch_size=4, shuffle=True),
        Loader(MapSamples(Made(val or make)), batch_size=4, shuffle=False),
    )
    trainer.register_transform(Pipeline([Normalize(mean, mean)]), Pipeline([Normalize(mean, mean)]))
    trainer.fit()


def shares(image: Tensor) -> Tensor:
    return image.float() / 255


WRONG = [
    (lambda image: image, "uint8; accepted: floats in 0..1; divide by 255"),
    (lambda image: image.long(), "int64; accepted: floats in 0..1; make it float32"),
    (lambda image: image.float(), "accepted: 0..1; divide by 255"),
    (lambda image: image.numpy().astype("float32"), "accepted: 0..1; divide by 255"),
    (lambda image: (shares(image) - 0.5) / 0.25, "mean and std of the data normalise them"),
    (lambda image: shares(image) * float("nan"), "from nan to nan"),
]


@pytest.mark.parametrize(("make", "said"), WRONG)
def test_images_of_another_range_are_not_trained_on(make: Callable[[Tensor], Any], said: str) -> None:
    with pytest.raises(UsageError, match="the training images are") as caught:
        fit(make)
    assert said in str(caught.value)
    with pytest.raises(UsageError, match="the validation images are"):
        fit(shares, val=make)


def test_images_in_0_to_1_are_trained_on_and_what_nobody_normalises_is_the_data_sets_own() -> None:
    fit(shares)
    fit(lambda image: (shares(image) - 0.5) / 0.25, mean=())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda image: Image.fromarray(image[0].numpy()), "a transform that makes tensors"),
        (lambda image: image[:, : int(image[0, 0, 0]) % 4 + 1], "tensors of one size"),
        (lambda _: None, "a transform that makes tensors"),
    ],
)
def test_samples_that_make_no_batch(make: Callable[[Tensor], Any], said: str) -> None:
    with pytest.raises(RunError, match="make no batch") as caught:
        fit(make)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (BYTES.long(), LABELS, "int64"),
        (BYTES > 9, LABELS, "bool"),
        (BYTES, LABELS[:3], "8 images and 3 labels"),
        (BYTES.numpy(), LABELS, "torch.as_tensor"),
        (BYTES, LABELS.tolist(), "torch.as_tensor"),
    ],
)
def test_tensors_that_are_no_images(images: Any, labels: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TensorSamples(images, labels)


def test_a_predictor_takes_no_bytes_for_shares(trained: Callable[..., Any], tmp_path: Path) -> None:
    trained("train.epochs=1")
    predictor = Predictor(tmp_path / "run")
    images = torch.rand(2, 1, 8, 8)
    assert predictor(images).shape == (2, 10)
    for wrong in ((images * 255).byte(), images * 255, (images * 255).long(), images * 4 - 2):
        with pytest.raises(UsageError, match="accepted: "):
            predictor(wrong)

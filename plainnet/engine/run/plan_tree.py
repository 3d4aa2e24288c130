"""The pieces of a training as a tree."""

from __future__ import annotations

from typing import Any

from plainnet.engine.loop.trainer_tree import Branch
from plainnet.engine.run.build import Built
from plainnet.engine.run.schema import DataSection, Spec, TrainConfig

__all__ = ["piece_tree"]

LONGEST = 100
"""Signs of an argument that are shown."""


def piece_tree(value: TrainConfig, built: Built, length: str) -> Branch:
    """The trainer with what is registered with it."""
    trainer, section = built.trainer, value.train
    said = [length, f"device {trainer.device}"]
    said += [f"{trainer.processes} processes"] if trainer.processes > 1 else []
    said += [
        f"{name} {setting}"
        for name in ("accumulate", "clip_norm", "precision", "ema")
        if (setting := getattr(section, name)) not in (None, 1, "no")
    ]
    params = sum(parameter.numel() for parameter in built.model.parameters())
    losses = [Branch(loss.log_name, f"{loss.weight:g} x {_spec_text(loss)}") for loss in value.task.losses]
    teacher = [_branch("teacher", value.task.teacher)] if value.task.teacher is not None else []
    task = Branch(
        "task",
        _spec_text(value.task),
        (
            Branch("model", f"{_spec_text(value.model)}, {params:,} parameters"),
            *teacher,
            Branch("losses", "", tuple(losses)),
        ),
    )
    schedule = f"{_spec_text(value.schedule)}, warm-up {value.schedule.warmup:g}, per {value.schedule.per}"
    parts = [task, _data(value.data, built), _branch("optim", value.optim), Branch("schedule", schedule)]
    if value.evaluators:
        named = [_branch(e.name, s) for e, s in zip(trainer.evaluators, value.evaluators, strict=True)]
        parts.append(Branch("evaluators", "", tuple(named)))
    if value.train.freeze:
        frozen = [Branch(str(f.match), f"epochs {f.start} to {f.until or 'the end'}") for f in value.train.freeze]
        parts.append(Branch("freeze", "", tuple(frozen)))
    return Branch(type(trainer).__name__, ", ".join(said), tuple(parts))


def _data(section: DataSection, built: Built) -> Branch:
    data = built.data
    size = " x ".join(map(str, data.shape)) or "no images"
    train = f"{len(data.train):,} samples, batches of {section.batch_size}"
    val = f"{len(data.val):,} samples, batches of {section.val_batch_size}"
    transforms = [Branch("transform", _spec_text(spec)) for spec in (*section.augment, *section.late_augment)]
    sampler = [_branch("sampler", section.sampler)] if section.sampler is not None else []
    around = [Branch("filter", f"{_spec_text(spec)}, {spec.part}") for spec in section.filters]
    around += [Branch("targets", _spec_text(spec)) for spec in section.targets]
    mixes = [Branch(name, f"{getattr(section, name):g}") for name in ("mixup", "cutmix") if getattr(section, name)]
    further = [Branch(f"val {name}", f"{len(loader):,} batches") for name, loader in built.trainer.further_sets.items()]
    text = f"{_spec_text(section)}, {size}, {len(data.classes)} classes"
    return Branch(
        "data", text, (Branch("train", train, (*sampler, *transforms, *mixes)), Branch("val", val), *further, *around)
    )


def _branch(name: str, spec: Spec) -> Branch:
    return Branch(name, _spec_text(spec))


def _spec_text(spec: Spec) -> str:
    arguments = ", ".join(f"{name}={_short(value)}" for name, value in spec.arguments.items())
    return f"{spec.type}({arguments})" if arguments else spec.type


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."

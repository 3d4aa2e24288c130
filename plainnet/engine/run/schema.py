"""What a training configuration may say. Every key has its meaning beside it; `plainnet config explain` prints them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["SEQUENCE", "SchedulePart", "Spec", "TrainConfig", "recipes"]

SEQUENCE = "SequentialLR"


def recipes() -> dict[str, Path]:
    """The shipped configurations, by the name that `_base_` and `plainnet train` know them by."""
    return {path.stem: path for path in sorted((Path(__file__).parent / "recipes").glob("*.yaml"))}


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Spec(BaseModel):
    """Something built by name: `type`, and the arguments it is called with."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    type: str = Field(description="A known name, or an import path: package.module.Name, or file.py:Name.")

    @property
    def arguments(self) -> dict[str, Any]:
        """Every key but those that the section itself knows."""
        return dict(self.model_extra or {})


class ModelSection(Spec):
    type: str = Field(default="PlainNet", description="The network: PlainNet, timm, or an import path of an nn.Module.")
    weights: str | None = Field(
        default=None, description="A safetensors file to start from, or store:NAME; its structure must fit."
    )
    parts: list[str] = Field(
        default=[],
        description="With weights of the store: the parts that are loaded (backbone, head); all of them by default.",
    )
    new_head: bool = Field(
        default=False, description="With weights: all but the classifier are loaded, for other classes."
    )
    norm_momentum: float | None = Field(
        default=None, gt=0, le=1, description="Momentum of the batch norms' running statistics."
    )


class LossSpec(Spec):
    name: str | None = Field(default=None, description="The name in the logs; the type's by default.")
    weight: float = Field(default=1.0, description="What the loss is multiplied by in the sum.")
    takes: list[str] | None = Field(
        default=None,
        description="Keys of the outputs and the batch that it is called with; by default its parameters' names.",
    )

    @property
    def log_name(self) -> str:
        """The name in the logs: the type's where none is given."""
        return self.name or self.type.rpartition(":")[2].rpartition(".")[2]


class TeacherSection(Spec):
    type: str = Field(default="PlainNet", description="The teacher network, built like the model.")
    weights: str | None = Field(default=None, description="A safetensors file with the teacher's weights.")


class TaskSection(Spec):
    type: str = Field(
        default="Classification",
        description="Classification, Segmentation, Detection, a Distillation of each, or an import path of a Task.",
    )
    losses: list[LossSpec] = Field(
        default=[LossSpec(type="CrossEntropy")], description="The losses; their sum is minimised."
    )
    teacher: TeacherSection | None = Field(default=None, description="The network that a distillation learns from.")


class FilterSpec(Spec):
    part: Literal["both", "train", "val"] = Field(default="both", description="Which samples the rule is for.")


class DataSection(Spec):
    type: str = Field(
        default="digits",
        description="digits, digits-scenes, cifar10, cifar100, folder, coco, voc, masks, huggingface, arrays, or an import path.",
    )
    batch_size: int = Field(default=64, ge=1, description="Images in a batch over all processes together.")
    val_batch_size: int = Field(
        default=256, ge=1, description="Images in a validation batch over all processes together."
    )
    mean: list[float] | None = Field(default=None, description="Normalisation, in place of the data set's own.")
    std: list[float] | None = Field(default=None, description="Normalisation, in place of the data set's own.")
    workers: int = Field(default=0, ge=0, description="Loader processes for each training process.")
    drop_last: bool = Field(default=False, description="Leave out an epoch's last batch where it is not full.")
    filters: list[FilterSpec] = Field(
        default=[],
        description="Rules by which samples are used: HasObjects, OfClasses, or an import path; each is read once.",
    )
    sampler: Spec | None = Field(
        default=None,
        description="What draws the training samples of an epoch: ClassBalanced, Share, or an import path.",
    )
    targets: list[Spec] = Field(
        default=[], description="What is made of augmented batches besides: ObjectCounts, or an import path."
    )
    augment: list[Spec] = Field(
        default=[], description="Transforms of the training batches, in order; images are in 0..1."
    )
    late_augment: list[Spec] = Field(default=[], description="Transforms after the normalisation.")
    mixup: float = Field(default=0.0, ge=0, description="Alpha of mixup; 0 for none.")
    cutmix: float = Field(
        default=0.0, ge=0, description="Alpha of CutMix; 0 for none. With mixup, each batch takes one of the two."
    )


class ValidationSpec(Spec):
    name: str = Field(
        min_length=1, pattern=r"^[^/\\s]+$", description="What its metrics are called: NAME/accuracy, NAME/loss."
    )


class EvaluatorSpec(Spec):
    name: str | None = Field(default=None, description="What its result is called among the metrics.")


class GroupSpec(BaseModel):
    """Options of the parameters that a pattern matches; `lr_mult` and `decay_mult` are multiples of the optimizer's."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    match: str | list[str] = Field(
        description="Patterns of parameter names (*, ?), re:EXPRESSION, or @norm, @bias, @no_decay."
    )


class OptimSection(Spec):
    type: str = Field(default="SGD", description="Any optimizer of torch.optim (but LBFGS), or an import path.")
    lr_for_batch: int | None = Field(
        default=None,
        ge=1,
        description="The batch that rates are said for: all are multiplied by data.batch_size * train.accumulate / lr_for_batch.",
    )
    groups: list[GroupSpec] = Field(default=[], description="Options by pattern; the first match counts.")


class SchedulePart(Spec):
    begin: float | None = Field(default=None, ge=0, description="Where it begins: where the one before it ends.")
    end: float | None = Field(
        default=None,
        gt=0,
        description="Where it ends, in epochs (iterations with train.by: iteration); none: with the run.",
    )


class ScheduleSection(Spec):
    type: str = Field(
        default="cosine",
        description="cosine, constant, SequentialLR, or any other scheduler of torch.optim.lr_scheduler.",
    )
    schedulers: list[SchedulePart] = Field(
        default=[], description="Of SequentialLR: schedules one after another, each with its end."
    )
    warmup: float = Field(
        default=0.0, ge=0, description="Linear warm-up: epochs (half ones too), or iterations with train.by: iteration."
    )
    per: Literal["auto", "epoch", "iteration"] = Field(default="auto", description="When the learning rate changes.")

    @model_validator(mode="after")
    def _sequence(self) -> ScheduleSection:
        if (self.type == SEQUENCE) != bool(self.schedulers):
            raise ValueError(
                f"{SEQUENCE} and schedulers: [{{type: LinearLR, end: 5}}, {{type: cosine}}] belong together"
            )
        if self.schedulers and self.warmup:
            raise ValueError(f"with {SEQUENCE} the warm-up is the first of its schedulers, such as LinearLR")
        return self


class FreezeSpec(Section):
    match: str | list[str] = Field(description="Patterns of parameter names (*, ?), or @norm, @bias.")
    start: int = Field(default=0, ge=0, description="First epoch (from 0) in which they are frozen.")
    until: int | None = Field(default=None, ge=1, description="First epoch in which they are not; none: to the end.")


class TrainSection(Section):
    type: str | None = Field(
        default=None,
        description="A trainer of yours: the path of a subclass of EpochBasedTrainer (IterBasedTrainer with by: iteration).",
    )
    arguments: dict[str, Any] = Field(
        default={}, description="What such a trainer is made with beside the engine's own options."
    )
    by: Literal["epoch", "iteration"] = Field(default="epoch", description="What a run's length is counted in.")
    epochs: int = Field(default=30, ge=1, description="Passes over the training data, with by: epoch.")
    iterations: int | None = Field(default=None, ge=1, description="Updates, with by: iteration.")
    validate_every: int | None = Field(
        default=None,
        ge=1,
        description="Epochs (or iterations) between validations; by default an epoch, with by: iteration too.",
    )
    validate_from: int = Field(
        default=1,
        ge=1,
        description="The first epoch (or iteration) after which there is a validation; the last always is.",
    )
    accumulate: int = Field(default=1, ge=1, description="Batches of one update; equal to one batch of their sum.")
    clip_norm: float | None = Field(default=None, gt=0, description="Largest norm of the gradient.")
    precision: Literal["no", "bf16", "fp16"] = Field(default="no", description="Mixed precision.")
    ema: float | None = Field(
        default=None, gt=0, lt=1, description="Decay of the weights' moving average, which is validated."
    )
    freeze: list[FreezeSpec] = Field(default=[], description="What is not trained, and when.")
    sync_batch_norm: bool = Field(default=True, description="With several processes: batch norm over the whole batch.")
    sharded: bool = Field(
        default=False,
        description="With several processes: each keeps a part of the weights and of the optimizer's state (FSDP).",
    )

    @model_validator(mode="after")
    def _length(self) -> TrainSection:
        if self.by == "iteration" and self.iterations is None:
            raise ValueError("by: iteration needs the number of iterations")
        if self.arguments and self.type is None:
            raise ValueError("arguments are for a trainer of yours, which type names")
        return self


class CheckpointSection(Section):
    every: int = Field(default=1, ge=1, description="Validations between checkpoints.")
    every_updates: int | None = Field(default=None, ge=1, description="Also every so many updates, inside an epoch.")
    keep: int = Field(default=2, ge=1, description="The last checkpoints that are kept.")
    best: str = Field(default="accuracy", description="The validation metric that the best weights are chosen by.")
    mode: Literal["auto", "max", "min"] = Field(
        default="auto", description="Which way is better; auto: max but for losses (of any name)."
    )
    save: str | None = Field(
        default=None,
        description="A condition on the validation's metrics under which weights may become the best: acc > best and loss < 0.5.",
    )


class LogSection(Section):
    every: int = Field(default=20, ge=1, description="Updates between two lines of log.jsonl and of TensorBoard.")
    window: int = Field(
        default=1,
        ge=1,
        description="Updates that a line is the mean over: its own and those before it; 1: its own alone.",
    )
    tensorboard: bool = Field(default=True, description="Write TensorBoard events where tensorboard is installed.")
    writers: list[Spec] = Field(
        default=[],
        description="Further places for numbers, pictures and the configuration: WandB, MLflow, or an import path.",
    )
    watch: list[str] = Field(default=[], description="Modules (patterns) whose outputs and gradients are logged.")


class DerivedSection(Section):
    in_channels: int | None = Field(default=None, ge=1, description="Channels of the images, where samples are some.")
    resolution: list[int] | None = Field(default=None, description="Height and width of the images.")
    num_classes: int = Field(ge=1, description="Classes of the data.")
    classes: list[str] = Field(description="Their names, in the order of the network's outputs.")
    mean: list[float] = Field(description="What the images are normalised with, channel by channel.")
    std: list[float] = Field(description="What the images are normalised with, channel by channel.")


class TrainConfig(Section):
    """A training run."""

    model: ModelSection = Field(default=ModelSection(), description="The network.")
    task: TaskSection = Field(default=TaskSection(), description="What is learned: losses and metrics.")
    data: DataSection = Field(default=DataSection(), description="The images.")
    validate_also: list[ValidationSpec] = Field(
        default=[],
        description="More data sets, whose validation images are validated on; of the same classes, shape and normalisation.",
    )
    evaluators: list[EvaluatorSpec] = Field(
        default=[],
        description="Metrics that are no means (F1, AUC, ...), by name or import path: an Evaluator or a metric of torchmetrics.",
    )
    optim: OptimSection = Field(
        default=OptimSection.model_validate({"lr": 0.1, "momentum": 0.9}), description="The optimizer."
    )
    schedule: ScheduleSection = Field(default=ScheduleSection(), description="The learning rate over time.")
    train: TrainSection = Field(default=TrainSection(), description="The loop.")
    checkpoint: CheckpointSection = Field(default=CheckpointSection(), description="What is saved, and when.")
    log: LogSection = Field(default=LogSection(), description="What is logged.")
    hooks: list[Spec] = Field(default=[], description="Hook objects, by name or import path.")
    imports: list[str] = Field(default=[], description="Files or modules of yours whose names `type` may use.")
    seed: int = Field(default=0, ge=0, description="The seed of everything: weights, order, augmentation.")
    device: str = Field(default="auto", description="auto, cpu, cuda or mps.")
    run: str = Field(default="runs/train", description="The run folder.")
    store: bool | str = Field(
        default=False,
        description="Add the finished run to the store: true for the usual one, or the folder of another.",
    )
    derived: DerivedSection | None = Field(
        default=None, description="Written by a run: what followed from its data. It changes nothing."
    )

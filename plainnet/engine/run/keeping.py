"""A finished training run as a record of the store, and the run put there."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import parse
from plainnet.configs import read_config
from plainnet.engine.checkpoints.checkpoint import checkpoints, load_checkpoint
from plainnet.engine.checkpoints.checkpoint_state import check_state_of
from plainnet.engine.metric_direction import is_made_small
from plainnet.engine.run.kept_trainings import is_training, read_summary
from plainnet.engine.run.network_arguments import network_arguments
from plainnet.engine.run.scheduling import scaled_rates
from plainnet.engine.run.schema import TrainConfig, recipes
from plainnet.engine.run.weights_metadata import Trained, read_trained
from plainnet.errors import PlainnetError, RunError, UsageError
from plainnet.files.file_kinds import reading
from plainnet.files.lock import only_a_lock
from plainnet.files.tensor_files import read_metadata, read_tensors
from plainnet.files.text_files import json_value, read_text
from plainnet.store.commit import commit_of
from plainnet.store.describing import Described, channel_meaning, describe_module, describe_network
from plainnet.store.digests import file_digest
from plainnet.store.keeping import keep, name_of
from plainnet.store.layout import store_root
from plainnet.store.record import Code, Data, Identity, Input, Metric, Record, Training
from plainnet.store.record_names import as_word
from plainnet.store.reused_parts import record_beside

__all__ = ["Said", "keep_finished", "keep_run"]

BEST, CONFIG, LOG = "best.safetensors", "config.yaml", "log.jsonl"
SHORT = {
    "Classification": "cls",
    "Distillation": "cls",
    "SegmentationDistillation": "segmentation",
    "DetectionDistillation": "detection",
}
"""Tasks -> what they are called in a store, as everybody calls them."""
DATA_NAME = {"folder": "root", "huggingface": "path", "arrays": "train"}
"""Data sets that are called after an argument of theirs."""
METRIC = "metric."
TO_COME = "0" * 64
"""A digest that is worked out when a network is put into a store."""


@dataclass(frozen=True)
class Said:
    """What a person says of a network that is added; None for what follows from the run."""

    name: str | None = None
    tag: str | None = None
    family: str | None = None
    task: str | None = None
    licence: str | None = None
    tags: Sequence[str] = ()
    data_version: str | None = None
    paper_url: str | None = None


def keep_run(folder: Path, root: Path, said: Said) -> Record:
    """Put the best weights of a training run into a store, with all that its folder says of them.

    Raises `RunError` for a folder without best weights, and what `plainnet.store.keeping.keep` raises.
    """
    _check_run(folder)
    config = _config(folder)
    sources = dict(_sources(folder, config))
    record = _record_of(folder, config, said)
    return keep(root, record, lambda path: shutil.copyfile(folder / BEST, path), sources=sources)


def keep_finished(folder: Path, store: bool | str) -> str:
    """Put a run that has come to its end into a store, as `store` of its configuration says; what is to be said of it."""
    root = store_root(store if isinstance(store, str) else None)
    try:
        name = name_of(keep_run(folder, root, Said()))
    except PlainnetError as error:
        raise RunError(
            f"{folder} is finished, and could not be added to the store: {error}; to add it: "
            f"plainnet store add {quote(str(folder))}"
        ) from error
    return f"added {name.path} to the store {root}; use it as store:{name.short}"


def _check_run(folder: Path) -> None:
    if not is_training(folder):
        with reading(folder, "folder of a training"):
            raise RunError(
                f"{folder} holds no training run; accepted: the folder of one (plainnet runs lists them){only_a_lock(folder)}"
            )
    if not (folder / BEST).is_file():
        raise RunError(
            f"{folder} has no {BEST}: it was stopped before its first validation; to go on: plainnet train {quote(str(folder))}"
        )


def _record_of(folder: Path, config: TrainConfig, said: Said) -> Record:
    """The record of a training run; its digests come when it is put into a store."""
    metadata = read_metadata(folder / BEST)
    trained = read_trained(folder / BEST, metadata)
    described = _described(folder, trained, metadata)
    data_name = _data_name(config)
    state = _state(folder, metadata)
    identity = Identity(
        digest=TO_COME,
        name=said.name or _name(folder, described),
        tag=said.tag or _tag(data_name, trained),
        family=said.family or described.family,
        kind="network",
        task=said.task or _task(trained.task.type),
        paper=described.paper_at(said.paper_url),
        licence=said.licence,
        parents=_parents(config),
        tags=list(said.tags),
    )
    commit, dirty = commit_of(Path.cwd())
    facts = state.get("hooks", {}).get("ConfigHook.0", {}).get("data", {})
    return Record(
        identity=identity,
        structure=described.structure,
        input=_input(trained),
        outputs=described.outputs,
        training=_training(folder, config, metadata, state),
        data=Data(name=data_name, version=said.data_version, split="val", train_images=facts.get("images")),
        metrics=list(_metrics(folder, metadata, data_name, config)),
        cost=described.cost,
        code=Code(plainnet=metadata.get("plainnet"), torch=metadata.get("torch"), commit=commit, dirty=dirty),
    )


def _config(folder: Path) -> TrainConfig:
    return read_config(folder / CONFIG, TrainConfig, named=recipes()).value


def _described(folder: Path, trained: Trained, metadata: dict[str, str]) -> Described:
    model = trained.model
    if "structure" in metadata and model.type == "PlainNet":
        arguments = network_arguments(
            model.type, model.arguments, shape=trained.image_shape, num_classes=len(trained.classes)
        )
        options = {name: arguments[name] for name in vars(PLAIN) if name in arguments}
        return describe_network(
            parse(metadata["structure"]),
            trained.image_shape[1:],
            classes=trained.classes,
            num_classes=arguments["num_classes"],
            variant=Variant(**options),
            norm_eps=_number(metadata.get("norm_eps")),
        )
    tensors, _ = read_tensors(folder / BEST, ours=True)
    params = read_summary(folder).get("params")
    return describe_module(model.type, model.arguments, tensors, classes=trained.classes, params=params)


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _state(folder: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """What a checkpoint says beside the weights: that of the best ones' update, else the last; nothing where there is none."""
    found = checkpoints(folder / "checkpoints")
    if not found:
        return {}
    of_best = [path for path in found if str(int(path.name.partition(".")[0])) == metadata.get("iteration")]
    path = (of_best or found)[-1]
    state = load_checkpoint(path)[1]
    check_state_of(path, state)
    return dict(state)


def _name(folder: Path, described: Described) -> str:
    own = described.published.name if described.published is not None else folder.resolve().name
    name = as_word(own)
    if not name:
        raise UsageError(f"{folder} cannot be the name of a network; accepted: --name NAME")
    return name


def _tag(data_name: str, trained: Trained) -> str:
    _, height, width = trained.image_shape
    return f"{as_word(data_name) or 'data'}_r{height if height == width else f'{height}x{width}'}"


def _task(kind: str) -> str:
    return SHORT.get(kind) or as_word(kind.rpartition(":")[2].rpartition(".")[2].lower()) or "task"


def _data_name(config: TrainConfig) -> str:
    """What the data are called: their kind, or the folder or the data set of a hub that they are read from."""
    section = config.data
    argument = section.arguments.get(DATA_NAME.get(section.type, ""))
    own = argument if isinstance(argument, str) else section.type.rpartition(":")[2].rpartition(".")[2] or section.type
    return own.rstrip("/").rpartition("/")[2] if section.type in ("folder", "arrays") else own


def _parents(config: TrainConfig) -> list[str]:
    """What the weights began with: the digest of a stored network, or of the file."""
    if config.model.weights is None:
        return []
    path = Path(config.model.weights)
    record = record_beside(path)
    if record is not None:
        return [record.identity.digest]
    return [file_digest(path)] if path.is_file() else [path.name]


def _input(trained: Trained) -> Input:
    channels, *size = trained.image_shape
    reader = trained.reader.model_dump(mode="json")
    return Input(
        trained_at=list(size),
        channels=channels,
        meaning=channel_meaning(channels),
        mean=list(trained.mean),
        std=list(trained.std),
        range=[0.0, 1.0],
        reader=reader,
    )


def _training(folder: Path, config: TrainConfig, metadata: dict[str, str], state: dict[str, Any]) -> Training:
    groups = state.get("optimizer", {}).get("param_groups") or ()
    rates = _rates(folder, metadata, state, len(groups))
    options = scaled_rates(config).arguments
    return Training(
        losses=[spec.model_dump(mode="json") for spec in config.task.losses],
        optimizer=config.optim.type,
        lr=options.get("lr"),
        lr_now=rates[0] if rates else None,
        weight_decay=options.get("weight_decay"),
        groups=[_group(group, rate) for group, rate in zip(groups, rates, strict=False)] or None,
        schedule=config.schedule.model_dump(mode="json"),
        batch=config.data.batch_size * config.train.accumulate,
        precision={"no": "float32"}.get(config.train.precision, config.train.precision),
        epochs=float(metadata["round"]) if config.train.by == "epoch" and metadata.get("round", "").isdigit() else None,
        iterations=int(metadata["iteration"]) if metadata.get("iteration", "").isdigit() else None,
        seed=config.seed,
        seconds=read_summary(folder).get("seconds"),
        config=config.model_dump(mode="json", exclude={"run", "derived"}),
    )


def _rates(folder: Path, metadata: dict[str, str], state: dict[str, Any], groups: int) -> list[float | None]:
    """The learning rate of each group in the last update of the best weights, the first group's in front; None for one that is
    not known: training went on, no checkpoint is of that update any more, and the log does not say it by the group's number.
    """
    if str(state.get("position", {}).get("iteration")) == metadata.get("iteration"):
        return list(state.get("rates") or ())
    entry = _epoch_of_best(folder, metadata)
    first = entry.get("lr") if isinstance(entry.get("lr"), float) else None
    are_equal = not any(key.startswith("lr/") for key in entry)
    return [first if number == 0 or are_equal else None for number in range(max(1, groups))]


def _group(group: dict[str, Any], rate: float | None) -> dict[str, Any]:
    """The options of a group as they were in the last update of the weights: afterwards the schedule has moved on."""
    options = {name: value for name, value in group.items() if name not in ("params", "lr") and value is not None}
    return ({} if rate is None else {"lr": rate}) | options | {"tensors": len(group.get("params", ()))}


def _metrics(folder: Path, metadata: dict[str, str], dataset: str, config: TrainConfig) -> Iterator[Metric]:
    """Those of the validation that chose the weights, and of the training round before it."""
    modes, losses = {config.checkpoint.best: config.checkpoint.mode}, [loss.log_name for loss in config.task.losses]

    def metric(split: str, name: str, value: float | None) -> Metric:
        lower = is_made_small(name, mode=modes.get(name, "auto"), losses=losses)
        finite = value if value is not None and math.isfinite(value) else None
        return Metric(dataset=dataset, split=split, name=name, value=finite, better="lower" if lower else "higher")

    found = {key.removeprefix(METRIC): text for key, text in metadata.items() if key.startswith(METRIC)}
    for name in sorted(found, key=lambda name: name != config.checkpoint.best):  # the one that chose stands first
        yield metric("val", name, _number(found[name]))
    for key, value in _epoch_of_best(folder, metadata).items():
        if key.startswith("train/"):
            yield metric("train", key.removeprefix("train/"), value if isinstance(value, float | int) else None)


def _epoch_of_best(folder: Path, metadata: dict[str, str]) -> dict[str, Any]:
    """What the log says of the training round whose validation chose the weights; nothing where it does not know it."""
    known = (entry for entry in _log(folder) if entry.get("event") == "epoch")
    return next((entry for entry in known if str(entry.get("iteration")) == metadata.get("iteration")), {})


def _log(folder: Path) -> Iterator[dict[str, Any]]:
    path = folder / LOG
    for line in read_text(path, what="log").splitlines() if path.is_file() else ():
        with suppress(UsageError):  # the last line of a run that was killed
            found = json_value(line, str(path))
            if isinstance(found, dict):
                yield found


def _sources(folder: Path, config: TrainConfig) -> Iterator[tuple[str, Path]]:
    """The user's own files that the configuration names, by the name that they get in the store."""
    files = dict.fromkeys([*config.imports, *_named_files(config.model_dump(mode="json"))])
    taken: set[str] = set()
    for path in (Path(file) for file in files if file.endswith(".py")):
        if not path.is_file():
            raise RunError(
                f"{folder / CONFIG} names {path}, which is not there any more: the network could not be made again"
            )
        name = path.name
        while name in taken:
            name = f"{path.stem}_{len(taken)}.py"
        taken.add(name)
        yield name, path


def _named_files(value: Any) -> Iterator[str]:
    """What stands before the colon of every `type: mine.py:Name`."""
    if isinstance(value, dict):
        kind = value.get("type")
        if isinstance(kind, str) and ".py:" in kind:
            yield kind.rpartition(":")[0]
        for inner in value.values():
            yield from _named_files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_files(inner)

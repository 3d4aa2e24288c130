"""Candidates of a search as training runs: one plan for all of them, each in a folder of its own.

A plan is a configuration without network, seed and folder, as plain data. `CandidateTrainer` is what a search is handed
(`plainnet.search.search(config, out, trainer=CandidateTrainer())`); it travels to other processes, and imports torch when it
trains.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from plainnet.engine.metric_direction import is_made_small
from plainnet.errors import DivergedError, PlainnetError, RunError, UsageError
from plainnet.files.file_kinds import reading

__all__ = ["CandidateTrainer", "Trained", "training_plan"]

OWN = ("model", "run", "seed", "derived")
"""Sections of a configuration that belong to one network."""
ANY_NETWORK = "SuperConvK3BNRELU(3,8,1,1)"
"""What stands in the place of the candidates while a plan is checked."""
SAVE_EVERY = 200
"""Updates between checkpoints inside an epoch where the plan says nothing: what is lost at most when a process is killed."""


class Trained(NamedTuple):
    """What became of a training.

    value: the best of the metric that the plan chooses weights by; None where there is none, and `failure` says why.
    seconds: of all its sessions. stopped_by: the signal that stopped it before its end, "" for none.
    """

    value: float | None
    seconds: float
    stopped_by: str = ""
    failure: str = ""


def training_plan(
    source: str | Path | Mapping[str, Any], *, overrides: Sequence[str] = (), imports: Sequence[str] = ()
) -> dict[str, Any]:
    """The plan that a configuration (a file, the name of a recipe, plain data) means; paths in it are absolute. Of its
    network only the momentum of the norms is taken.
    """
    from plainnet.configs import read_config
    from plainnet.engine.run.schema import TrainConfig, recipes
    from plainnet.engine.run.training_run import load_config

    known = recipes()
    found = known.get(str(source), Path(source)) if isinstance(source, str | Path) else dict(source)
    with reading(found, "training configuration"):
        momentum = read_config(found, TrainConfig, overrides=overrides, named=known).value.model.norm_momentum
    tree: dict[str, Any] = found if isinstance(found, dict) else {"_base_": str(found.absolute())}
    model = {"_delete_": True, "type": "PlainNet", "structure": ANY_NETWORK}
    plain = load_config({**tree, "model": model}, overrides=overrides, imports=imports).plain()
    kept = {name: value for name, value in plain.items() if name not in OWN}
    return kept if momentum is None else {**kept, "model": {"norm_momentum": momentum}}


class CandidateTrainer:
    """Trains candidates with the engine."""

    def check(
        self,
        plan: Mapping[str, Any],
        *,
        structure: str,
        input_shape: tuple[int, int, int],
        num_classes: int,
        use_se: bool,
        lengths: Sequence[int | None],
    ) -> None:
        """`UsageError` for a plan that trains no network of the search: other images or classes, a metric that is made small,
        a length that its schedule does not take.
        """
        from plainnet.engine.run.data_sources import build_data
        from plainnet.engine.run.registry import Registry

        for length in lengths:
            config = _config(plan, structure, use_se=use_se, folder=Path("unused"), seed=0, length=length)
        section = config.value.checkpoint
        losses = [loss.log_name for loss in config.value.task.losses]
        if is_made_small(section.best, mode=section.mode, losses=losses):
            raise UsageError(
                f"checkpoint.best is {section.best}, which is made small; accepted: a metric that is made large, such as accuracy"
            )
        data = build_data(config.value.data, Registry(config.value.imports))
        if not data.shape:
            raise UsageError(
                f"the data {config.value.data.type} hold no images, which a search trains its candidates on"
            )
        if tuple(data.shape) != tuple(input_shape):
            raise UsageError(
                f"the training data are images of {'x'.join(map(str, data.shape))}, and the search is for "
                f"{'x'.join(map(str, input_shape))}; accepted: a space of {data.shape[0]} channels, and --resolution "
                f"{data.shape[1]}"
            )
        if num_classes not in (0, len(data.classes)):
            raise UsageError(
                f"the training data have {len(data.classes)} classes, and the search counts a classifier of {num_classes}; "
                f"accepted: --num-classes {len(data.classes)}"
            )

    def train(
        self,
        plan: Mapping[str, Any],
        *,
        structure: str,
        use_se: bool,
        folder: str | Path,
        seed: int,
        length: int | None,
        blocks: Sequence[str] = (),
    ) -> Trained:
        """Train a network in a folder, or go on with it there; one that is finished gives its result again.

        What is wrong with the network alone is its failure; `RunError` where nothing could be trained here (a full disk, a
        folder that is in use).
        """
        folder = Path(folder)
        _check_place(folder)
        done = _finished(folder)
        if done is not None:
            return done
        from rich.console import Console

        from plainnet.engine.run.training_run import train

        try:
            config = _config(plan, structure, use_se=use_se, folder=folder, seed=seed, length=length, imports=blocks)
            summary = train(config, console=Console(quiet=True), continue_existing=True)
        except OSError as error:
            raise RunError(f"{folder} cannot be trained in: {error}; the run can be resumed") from error
        except Exception as error:
            if isinstance(error, RunError) and not isinstance(error, DivergedError):
                raise
            return Trained(None, _seconds(folder), failure=f"{type(error).__name__}: {_first_line(error)}")
        if not summary.complete:
            return Trained(None, _seconds(folder), stopped_by=summary.stopped_by or "a stop")
        return _result(summary.best, folder)


def _check_place(folder: Path) -> None:
    """`RunError` where a folder cannot be made because there is a file: that is no fault of a network's."""
    place = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    if not place.is_dir():
        raise RunError(f"{folder} cannot be made: {'it' if place == folder else place} is a file")


def _config(
    plan: Mapping[str, Any],
    structure: str,
    *,
    use_se: bool,
    folder: Path,
    seed: int,
    length: int | None,
    imports: Sequence[str] = (),
) -> Any:
    """The configuration of one training."""
    from plainnet.engine.run.training_run import load_config

    tree: dict[str, Any] = json.loads(json.dumps(dict(plan)).replace("${", "$${"))
    tree["model"] = {**tree.get("model", {}), "type": "PlainNet", "structure": structure}
    if use_se:
        tree["model"]["use_se"] = True
    if length is not None:
        section = tree.setdefault("train", {})
        section["iterations" if section.get("by") == "iteration" else "epochs"] = length
    checkpoint = tree.setdefault("checkpoint", {})
    if checkpoint.get("every_updates") is None:
        checkpoint["every_updates"] = SAVE_EVERY
    if multiprocessing.current_process().daemon:  # which may have no processes of its own
        tree.setdefault("data", {})["workers"] = 0
    return load_config(tree, overrides=[f"run={json.dumps(str(folder))}", f"seed={seed}"], imports=imports)


def _finished(folder: Path) -> Trained | None:
    """The result of a training that is over."""
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        complete, best = summary["complete"], summary["best"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _result(best, folder) if complete is True and isinstance(best, dict) else None


def _result(best: Mapping[str, Any], folder: Path) -> Trained:
    value = best.get("value")
    if isinstance(value, int | float) and (folder / "best.safetensors").is_file():
        return Trained(float(value), _seconds(folder))
    return Trained(None, _seconds(folder), failure="no validation gave a finite metric")


def _seconds(folder: Path) -> float:
    """The time that all sessions of a run took, from its log; 0 where nothing was logged."""
    with suppress(OSError, ValueError, IndexError, KeyError, TypeError):
        return float(json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])["seconds"])
    return 0.0


def _first_line(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else ""
    return text if isinstance(error, PlainnetError) or len(text) < 300 else text[:300]

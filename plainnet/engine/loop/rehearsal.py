"""One batch taken through training and one through validation before the first update, so that what is wrong with the pieces of a
run is told within seconds. Nothing of it stays: a run with it and one without are the same to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from plainnet.engine.data.pipeline import Pipeline
from plainnet.engine.evaluators.evaluator import evaluate, reset, update
from plainnet.engine.loop.validation import Validation, add_metrics
from plainnet.engine.means import Means
from plainnet.engine.parameters import modes_kept
from plainnet.engine.seeds import random_state, restore_random_state
from plainnet.errors import PlainnetError, RunError, UsageError, nearest

if TYPE_CHECKING:
    from plainnet.engine.data.loader import Batches
    from plainnet.engine.data.source import Batch
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["rehearse"]

PLAIN = (bool, int, float, str, type(None))


def rehearse(trainer: Trainer, batch: Batch) -> tuple[dict[str, float], dict[str, float] | None]:
    """Take a copy of `batch` through `train_step` and the backward pass, and a validation batch through `val_step` and the
    evaluators: what they gave, as `after_rehearsal` is told. Raises `UsageError` for what cannot be trained.
    """
    with _untouched(trainer):
        with _noted("training"):
            train = _train(trainer, _copied(batch))
        with _noted("validation"):
            val = _validate(trainer)
    return train, val


@contextmanager
def _noted(part: str) -> Iterator[None]:
    try:
        yield
    except PlainnetError:
        raise
    except Exception as error:
        error.add_note(f"a first batch was taken through {part}; nothing has been trained")
        raise


# ---- training ----


def _train(trainer: Trainer, batch: Batch) -> dict[str, float]:
    """The means of the batch's results."""
    samples = trainer.count_samples(batch)
    _check_images(trainer.train_transform, batch, "the training images")
    trainer.tensors.begin()
    result = _checked(trainer.train_step(trainer.prepare(batch)), "train_step")
    loss = _loss_of(result)
    trainer._backward(loss)
    value = float(loss.detach())
    if not math.isfinite(value):  # after the backward pass, which names the operation where it is watched (debug)
        raise RunError(
            f"the loss of the first batch is {value}, and nothing has been trained: look at the data and the loss"
        )
    _check_optimizer(trainer)
    means = Means()
    means.add({name: _scalar(name, value, "train_step") for name, value in result.items()}, samples=samples)
    return means.compute(reduce=trainer.over_all)


def _check_images(transform: Any, batch: Batch, where: str) -> None:
    if isinstance(transform, Pipeline):
        transform.check(batch, where)


def _checked(answer: Any, step: str) -> Mapping[str, Any]:
    """The results of a step that gave what it should."""
    if not isinstance(answer, tuple | list) or len(answer) != 2 or not isinstance(answer[1], Mapping):
        what = f"{len(answer)} things" if isinstance(answer, tuple | list) else f"a {type(answer).__name__}"
        if isinstance(answer, tuple | list) and len(answer) == 2:
            what = f"a {type(answer[0]).__name__} and a {type(answer[1]).__name__}"
        raise UsageError(f"{step} gave {what}; it must give two things: the output, and a dict of results")
    return answer[1]


def _scalar(name: str, value: Any, step: str) -> Any:
    if isinstance(value, Tensor) and value.numel() != 1:
        raise UsageError(
            f"{step} gave {name} of shape {tuple(value.shape)}; a result is a number: the mean over the batch"
        )
    return value.detach() if isinstance(value, Tensor) else value


def _loss_of(result: Mapping[str, Any]) -> Tensor:
    """The loss, if gradients can be taken of it."""
    if "loss" not in result:
        near = nearest("loss", result)
        hint = f"; did you mean {near} to be called that?" if near else ""
        raise UsageError(f'train_step gave no "loss", but {", ".join(result) or "nothing"}{hint}')
    loss = result["loss"]
    if not isinstance(loss, Tensor):
        raise UsageError(f"the loss is a {type(loss).__name__}; it must be a tensor, which gradients can be taken of")
    _scalar("loss", loss, "train_step")
    if not loss.requires_grad:
        raise UsageError(
            "the loss depends on no parameter (it was detached, or made from numbers): nothing can be trained"
        )
    return loss


def _check_optimizer(trainer: Trainer) -> None:
    """All that is optimised must belong to the model, or at least have a gradient."""
    own = {id(parameter) for parameter in trainer.module.parameters()}
    parameters = [parameter for group in trainer.optimizer.param_groups for parameter in group["params"]]
    foreign = [p for p in parameters if id(p) not in own and p.grad is None]
    if foreign:
        raise UsageError(
            f"{len(foreign)} of the optimizer's {len(parameters)} parameters are not the model's, and get no gradient: make the "
            "optimizer from the parameters of the registered model"
        )


# ---- validation ----


@torch.no_grad()
def _validate(trainer: Trainer) -> dict[str, float] | None:
    """The metrics of the first batch of each validation set; None where a subclass validates in its own way."""
    if trainer.val_loader is None or type(trainer).validate is not Validation.validate:
        return None
    assert trainer.model is not None
    trainer.model.eval()
    trainer.evaluated.eval()
    summary: dict[str, float] = {}
    for name, loader in trainer.validation_sets.items():
        add_metrics(summary, name, _validate_first(trainer, loader))
    return summary


def _validate_first(trainer: Trainer, loader: Batches) -> dict[str, float]:
    """The metrics of the first batch of a validation set."""
    reset(trainer.evaluators)
    means = Means()
    first = next(trainer._val_batches(loader), None)  # a process may have none
    if first is not None:
        batch = _copied(first[0])
        samples = trainer.count_samples(batch)
        _check_images(trainer.val_transform, batch, "the validation images")
        batch = trainer.prepare(batch)
        with trainer.accelerator.autocast():
            answer = trainer.val_step(batch)
        result = _checked(answer, "val_step")
        means.add({name: _scalar(name, value, "val_step") for name, value in result.items()}, samples=samples)
        update(trainer.evaluators, answer[0], batch)
    found = means.compute(reduce=trainer.over_all)
    numbers, _ = evaluate(trainer.evaluators, known=found, processes=trainer.processes)
    reset(trainer.evaluators)
    return {**found, **numbers}


# ---- leaving no trace ----


def _copied(value: Any) -> Any:
    """A batch whose tensors can be changed without changing those of the original."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copied(item) for item in value)
    return value


@contextmanager
def _untouched(trainer: Trainer) -> Iterator[None]:
    """Random states, modes, buffers, gradients and plain attributes of model and trainer, after the block as before it.

    The model is called without DDP, whose bookkeeping begins with the first update.
    """
    assert trainer.model is not None
    models = [trainer.module, *([trainer.averaged] if trainer.averaged is not None else [])]
    parameters = {id(p): p for group in trainer.optimizer.param_groups for p in group["params"]}
    parameters |= {id(p): p for model in models for p in model.parameters()}
    gradients = [(parameter, parameter.grad) for parameter in parameters.values()]
    for parameter, _ in gradients:
        parameter.grad = None
    random, buffers = random_state(), [(b, b.clone()) for model in models for b in model.buffers()]
    modules = [module for model in models for module in model.modules()]
    registered = [(module, dict(module._buffers)) for module in modules]
    plain = [(thing, _plain_attributes(thing)) for thing in (trainer, *modules)]
    wrapped = trainer.model
    trainer.model = trainer.module
    try:
        with modes_kept(wrapped, *models):
            yield
        trainer.let_go()
    finally:
        trainer.model = wrapped
        trainer.tensors.clear()
        _restore(plain, registered, buffers)
        for parameter, gradient in gradients:
            parameter.grad = gradient
        restore_random_state(random)


def _plain_attributes(thing: Any) -> dict[str, Any]:
    """Numbers and words, and copies of lists, dicts and sets."""
    found = {}
    for name, value in vars(thing).items():
        if isinstance(value, PLAIN):
            found[name] = value
        elif not isinstance(thing, nn.Module) and type(value) in (list, dict, set):
            found[name] = value.copy()
    return found


@torch.no_grad()
def _restore(
    plain: list[tuple[Any, dict[str, Any]]],
    registered: list[tuple[nn.Module, dict[str, Tensor | None]]],
    buffers: list[tuple[Tensor, Tensor]],
) -> None:
    for thing, attributes in plain:
        for name, value in attributes.items():
            now = vars(thing).get(name)
            if type(value) is list and type(now) is list:
                now[:] = value
            elif type(value) in (dict, set) and type(now) is type(value):
                now.clear()
                now.update(value)
            else:
                vars(thing)[name] = value
    for module, tensors in registered:
        module._buffers.update(tensors)
    for buffer, value in buffers:
        buffer.copy_(value)

"""Parameters that are not trained for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from plainnet.engine.counts import check_counts
from plainnet.engine.hooks.hook import Hook
from plainnet.engine.parameters import NORMS, matching, named_parameters
from plainnet.errors import UsageError

if TYPE_CHECKING:
    from plainnet.engine.data.source import Batch
    from plainnet.engine.loop.trainer import Trainer

__all__ = ["FreezingHook"]


class FreezingHook(Hook):
    """From epoch `start` on (counted from 0) and before epoch `until`, the matching parameters keep their values.

    Their gradients are dropped before clipping and update, so that momentum and weight decay leave them alone; a batch norm
    whose own parameters are all frozen (by this hook and others) keeps its statistics too. Epochs are passes over the data,
    wherever validations fall.
    """

    priority = 10

    def __init__(self, match: str | Sequence[str], *, start: int = 0, until: int | None = None) -> None:
        check_counts(least=0, start=start)
        if not match:
            raise UsageError("nothing is named to be frozen: match is empty")
        if until is not None and until <= start:
            raise UsageError(f"frozen from epoch {start} until {until}, which is no epoch: until must be above start")
        self.match, self.start, self.until = match, start, until
        self.epoch = -1
        self.frozen: list[nn.Parameter] = []
        self.still: list[nn.Module] = []

    def before_train_epoch(self, trainer: Trainer) -> None:
        """Freeze or release."""
        self._follow(trainer)

    def before_train_step(self, trainer: Trainer, batch: Batch) -> None:  # noqa: ARG002
        """Freeze or release where an epoch begins inside a round."""
        if trainer.epoch != self.epoch:
            self._follow(trainer)

    def _follow(self, trainer: Trainer) -> None:
        self.epoch = trainer.epoch
        self.frozen = self._active(trainer)
        known = {id(parameter) for parameter in self.frozen}
        for hook in trainer.hooks:
            if isinstance(hook, FreezingHook) and hook is not self:
                known |= {id(parameter) for parameter in hook._active(trainer)}
        norms = [module for module in trainer.module.modules() if isinstance(module, NORMS) and _all_in(module, known)]
        for module in self.still:
            module.train()
        self.still = [module for module in norms if module.training]
        for module in norms:
            module.eval()

    def _active(self, trainer: Trainer) -> list[nn.Parameter]:
        """What is frozen in the trainer's epoch."""
        names = matching(trainer.module, self.match)
        if not names:
            raise UsageError(f"nothing can be frozen: no parameter matches {self.match}")
        if trainer.epoch < self.start or (self.until is not None and trainer.epoch >= self.until):
            return []
        return [parameter for name, parameter in named_parameters(trainer.module).items() if name in names]

    def optimizer_step(self, trainer: Trainer) -> None:  # noqa: ARG002
        """Drop the gradients."""
        for parameter in self.frozen:
            parameter.grad = None


def _all_in(module: nn.Module, known: set[int]) -> bool:
    own = list(module.parameters(recurse=False))
    return bool(own) and all(id(parameter) in known for parameter in own)

"""The learning rates that a configuration asks for, without its network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from plainnet.configs import Config
from plainnet.engine.data.loader import Loader
from plainnet.engine.parameters import with_multiples
from plainnet.engine.run.data_sources import build_data, train_sampler
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.scheduling import RateCurve, rate_curve, scaled_rates
from plainnet.engine.run.schema import TrainConfig
from plainnet.engine.run.typed_values import make
from plainnet.engine.seeds import derive, seed_everything

__all__ = ["planned_rates"]


def planned_rates(config: Config[TrainConfig]) -> RateCurve:
    """The curve of each group. The data are read, since their number says how many updates an epoch has."""
    value = config.value
    registry, section = Registry(value.imports), scaled_rates(value)
    seed_everything(derive(value.seed, "weights"))
    data = build_data(value.data, registry, only="train")
    loader = Loader(
        data.train,
        batch_size=value.data.batch_size,
        shuffle=False,
        drop_last=value.data.drop_last,
        sampler=train_sampler(value.data, registry, data),
    )
    batches = len(loader)
    own = [{}, *(with_multiples(group.model_extra or {}, section.arguments) for group in section.groups)]
    groups: list[dict[str, Any]] = [{"params": [nn.Parameter(torch.ones(2, 2))], **options} for options in own]
    optimizer = make(registry, "optimizer", section, groups)
    rates = [float(group["lr"]) for group in optimizer.param_groups]
    return rate_curve(value, registry, rates, updates=-(-batches // value.train.accumulate))

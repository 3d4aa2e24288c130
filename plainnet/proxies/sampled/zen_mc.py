"""The Zen-score by Monte-Carlo, as it is defined: of structures, and of any module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import torch
from torch import Generator, Tensor, nn

from plainnet.blocks.rows.layers import Norm
from plainnet.blocks.rows.shapes import as_input_shape
from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.rows.walk import Row
from plainnet.blocks.structure import Structure
from plainnet.errors import NoFeatureMapError, UsageError, nearest
from plainnet.network.initialization import initialize
from plainnet.network.network_names import at_its_size
from plainnet.network.published import NORM_EPS
from plainnet.proxies.contract import proxy
from plainnet.proxies.sampled.operation_outputs import NORMS, watch
from plainnet.proxies.sampled.random_network import RandomNetwork, by_copy, feature_rows, log
from plainnet.proxies.sampled.tensor_devices import torch_device
from plainnet.proxies.score_record import Score
from plainnet.proxies.seeds import derived_seed

__all__ = ["VARIANTS", "check_zen_options", "norm_terms", "run_scores", "zen_mc", "zen_mc_of_module", "zen_values"]

VARIANTS = ("paper", "zennas")
"""The definition, and what the authors' search code computes."""

_MOST_COPIES = 32
_MEMORY = 2 << 30
"""Bytes for the input and the output of a layer when repeats run at once."""


def zen_mc(
    structure: Any,
    *,
    resolution: int | tuple[int, int] | None = None,
    batch: int = 16,
    repeats: int = 4,
    seed: int = 0,
    variant: str = "paper",
    keep_residual: bool = False,
    gamma: float = 0.01,
    norm_eps: float = NORM_EPS,
    device: str | torch.device = "cpu",
    network: Variant = PLAIN,
) -> Score:
    """The Zen-score of a structure by Monte-Carlo, `repeats` times with weights and noise of its own.

    With x, e ~ N(0, 1) of shape (batch, C, H, W), every weight from N(0, 1), biases 0, batch norms of weight 1 and bias 0
    in training mode, and f the feature map before pooling:

        zen = log( mean over the batch of  sum_chw | f(x) - f(x + gamma e) | )
            + sum over batch norms of  1/2 log( mean over channels of the batch variance of its input, for x )

    with the unbiased variance (n - 1), as in the published values. Residual links and their projections are removed
    unless `keep_residual`. `variant="zennas"` reads what the authors' search code reads in place of the batch variance:
    the running variance of a fresh batch norm after both passes, 0.81 + 0.09 v1 + 0.1 v2 with v1, v2 the batch variances
    of x and of x + gamma e.

    Without any batch norm the second term is empty (`network=Variant(no_bn=True)`; then in float64, as such a network
    soon leaves the range of float32). Same seed, same score, in any process; a repeat does not depend on the others.

    network: variants of the whole network (squeeze-excite, activation, no batch norm).
    norm_eps: epsilon of the batch norms; 1e-3 as in the published networks (the paper's table of ResNets: 1e-5).

    Raises `StructureError` for a structure that does not fit the resolution, and `UsageError` for settings that make no
    sense: a batch norm that sees one value for each channel, an unknown variant or device.

    Source: Lin et al., Zen-NAS, ICCV 2021, arXiv:2102.01063, Algorithm 1 (with the L1 norm, which its Table 5 uses).
    """
    structure, resolution, network = at_its_size(structure, resolution, otherwise=224, variant=network)
    where = torch_device(device)
    _check(batch=batch, repeats=repeats)
    seeds = [derived_seed(seed, structure.hash, repeat) for repeat in range(repeats)]
    start = perf_counter()
    values = zen_values(
        structure, resolution, network, batch, seeds, where,
        variant=variant, keep_residual=keep_residual, gamma=gamma, norm_eps=norm_eps,
    )  # fmt: skip
    settings = {
        "resolution": resolution, "batch": batch, "seed": seed, "variant": variant, "keep_residual": keep_residual,
        "gamma": gamma, "norm_eps": norm_eps, "device": str(where), "network": network.options(),
    }  # fmt: skip
    seconds = perf_counter() - start
    return Score(
        "zen_mc", tuple(values), seconds=seconds, settings=settings, structure=structure.text, hash=structure.hash
    )


def zen_mc_of_module(
    module: nn.Module,
    batch: int,
    input_shape: tuple[int, int, int],
    device: torch.device,
    *,
    variant: str = "paper",
    gamma: float = 0.01,
) -> float:
    """The Zen-score of any module by Monte-Carlo: weights from N(0, 1), shortcuts kept, as there is no telling them.

    f is what the module's `forward_features` gives, and what it puts out where it has none.
    """
    check_zen_options(variant, gamma)
    initialize(module, "gaussian")
    features: Any = getattr(module, "forward_features", module)
    passes: list[list[Tensor]] = [[], []]
    outs: list[Tensor] = []
    dtype = next((parameter.dtype for parameter in module.parameters() if parameter.is_floating_point()), torch.float32)
    x = torch.randn(batch, *input_shape, device=device, dtype=dtype)
    with torch.no_grad():
        for seen, image in zip(passes, (x, x + gamma * torch.randn_like(x)), strict=True):

            def see(_: Tensor, source: Tensor, seen: list[Tensor] = seen) -> None:
                seen.append(source.detach().double().transpose(0, 1).flatten(1).var(1)[None])

            outs.append(watch(features, image, NORMS, see))
    if variant == "zennas" and not passes[0]:
        raise UsageError("variant 'zennas' reads running variances, and this network has no batch norm")
    distance = float((outs[0] - outs[1]).abs().sum(dtype=torch.float64)) / batch
    return log(distance) + sum(norm_terms(first, second, variant)[0] for first, second in zip(*passes, strict=True))


@proxy(name="zen_mc", cost="2 forward", of_module=zen_mc_of_module)
def zen_values(
    structure: Structure,
    resolution: int | tuple[int, int],
    network: Variant,
    batch: int,
    seeds: Sequence[int],
    device: torch.device,
    *,
    variant: str = "paper",
    keep_residual: bool = False,
    gamma: float = 0.01,
    norm_eps: float = NORM_EPS,
) -> list[float]:
    """The Zen-score by Monte-Carlo, as it is defined: expressivity of the network without shortcuts at random weights.

    One for each of the seeds; the arguments are those of `zen_mc`, which has the formula and its source.
    """
    check_zen_options(variant, gamma)
    kind = replace(network, no_reslink=network.no_reslink or not keep_residual)
    shape = as_input_shape(structure.in_channels, resolution)
    rows = feature_rows(structure.rows(shape, variant=kind, expand=True))
    _check_rows(rows, batch, variant)
    dtype = torch.float32 if any(isinstance(row.layer, Norm) for row in rows) else torch.float64
    values: list[float] = []
    at_once = 1 if device.type == "cpu" else _copies(rows, batch)
    for start in range(0, len(seeds), at_once):
        generators = [Generator(device).manual_seed(seed) for seed in seeds[start : start + at_once]]
        runner = RandomNetwork(rows, norm_eps, generators, device, dtype)
        with torch.inference_mode():
            values += run_scores(runner, (batch, *shape), gamma, variant)
    return values


def check_zen_options(variant: str, gamma: float) -> None:
    """`UsageError` for a variant that there is not, or a perturbation that is none."""
    if variant not in VARIANTS:
        near = nearest(variant, VARIANTS)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"unknown variant {variant!r} of the Zen-score; accepted: {', '.join(VARIANTS)}{hint}")
    if not gamma > 0:
        raise UsageError(f"gamma is {gamma}; accepted: a positive number")


def _check(*, batch: int, repeats: int) -> None:
    for name, value in (("batch", batch), ("repeats", repeats)):
        if value < 1:
            raise UsageError(f"{name} is {value}; accepted: 1 or more")


def _check_rows(rows: list[Row], batch: int, variant: str) -> None:
    if not rows:
        raise NoFeatureMapError(
            "the structure has no feature map: there is nothing before its pooling or linear layers"
        )
    norms = [row for row in rows if isinstance(row.layer, Norm)]
    if variant == "zennas" and not norms:
        raise UsageError("variant 'zennas' reads running variances, and this network has no batch norm")
    for row in norms:
        if batch * max(1, row.in_shape.height * row.in_shape.width) < 2:
            raise UsageError(
                f"the batch norm {row.path} sees one value for each channel (batch {batch}, a map of {row.in_shape}); "
                "accepted: a larger batch or resolution"
            )


def _copies(rows: Sequence[Row], batch: int) -> int:
    """How many repeats run at once on an accelerator: as many as keep the largest maps within a bounded memory."""
    largest = max(row.in_shape.elements + row.out_shape.elements for row in rows)
    return max(1, min(_MOST_COPIES, _MEMORY // (2 * batch * largest * 4)))


def run_scores(runner: RandomNetwork, size: tuple[int, ...], gamma: float, variant: str) -> list[float]:
    """The scores of the runner's copies for inputs of `size`, (N, C, H, W)."""
    features, perturbed = runner.run(_noise_pair(runner, size, gamma)).chunk(2)
    distances = by_copy((features - perturbed).abs_(), runner.copies).sum((0, 2, 3, 4), dtype=torch.float64)
    scores = [log(value / size[0]) for value in distances.tolist()]
    for record in runner.norms:
        unbiased = record.samples / (record.samples - 1)
        first, second = (unbiased * variance for variance in record.variances)
        scores = [score + term for score, term in zip(scores, norm_terms(first, second, variant), strict=True)]
    return scores


def _noise_pair(runner: RandomNetwork, size: tuple[int, ...], gamma: float) -> Tensor:
    """x and x + gamma e, stacked along the batch, the copies along the channels, with channels last."""
    number, channels, height, width = size
    noise = torch.empty(runner.copies, 2 * number, height, width, channels, dtype=runner.dtype, device=runner.device)
    for part, generator in zip(noise, runner.generators, strict=True):
        part.normal_(generator=generator)
    x, e = noise.chunk(2, dim=1)
    e.mul_(gamma).add_(x)
    return noise.permute(1, 2, 3, 0, 4).flatten(3).permute(0, 3, 1, 2)


def norm_terms(first: Tensor, second: Tensor, variant: str) -> list[float]:
    """What one batch norm adds to each copy's score: 1/2 log of the mean over channels of what is read, from the variances
    (copies, C) of both passes.
    """
    read = first if variant == "paper" else 0.81 + 0.09 * first + 0.1 * second
    return [0.5 * log(value) for value in read.mean(1).tolist()]

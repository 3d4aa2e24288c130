"""The Zen-NAS authors' checkpoints in PlainNet's layout.

Their network class names every tensor by position (`module_list.1.module_list.0.module_list.3.netblock.weight`; a
projection is `...proj.0.weight`). Within one residual unit the layers of the main branch come first and the projection
last, as in the rows of a PlainNet; so both lists are walked side by side, and shapes must agree at every step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from plainnet.errors import UsageError
from plainnet.files.tensor_files import other_kinds

if TYPE_CHECKING:
    from plainnet.network.plain_net import PlainNet

__all__ = ["convert_state_dict"]


def convert_state_dict(state_dict: Mapping[str, Tensor], net: PlainNet) -> dict[str, Tensor]:
    """The authors' `state_dict` under the names of `net`; `UsageError` with the first key that does not fit."""
    theirs = {key.removeprefix("module."): value for key, value in state_dict.items()}
    sources = [key for key in theirs if not key.endswith("num_batches_tracked")]
    ours = net.state_dict()
    targets = [key for key in ours if not key.endswith("num_batches_tracked")]
    if len(sources) != len(targets):
        raise UsageError(
            f"the checkpoint holds {len(sources)} tensors and the network {len(targets)}: "
            "another structure, or another use_se or num_classes"
        )
    converted = {key: value for key, value in ours.items() if key.endswith("num_batches_tracked")}
    for source, target in zip(sources, targets, strict=True):
        if theirs[source].shape != ours[target].shape or source.rsplit(".", 1)[-1] != target.rsplit(".", 1)[-1]:
            raise UsageError(
                f"{source} {list(theirs[source].shape)} of the checkpoint does not fit "
                f"{target} {list(ours[target].shape)} of the network"
            )
        converted[target] = theirs[source]
    if kinds := other_kinds(converted, ours):
        raise UsageError(f"the checkpoint does not fit the network: {kinds[0]}")
    return converted

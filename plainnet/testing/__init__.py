"""Tools to test what you add with: random valid blocks and structures, and the contracts of blocks and training loops."""

from plainnet.testing.contract import BlockContractError, check_block
from plainnet.testing.loops import LoopContractError, check_loop
from plainnet.testing.oracle import TorchCounts, torch_counts
from plainnet.testing.sampling import sample_block, sample_case, sample_shape, sample_structure, shipped_blocks

__all__ = [
    "BlockContractError",
    "LoopContractError",
    "TorchCounts",
    "check_block",
    "check_loop",
    "sample_block",
    "sample_case",
    "sample_shape",
    "sample_structure",
    "shipped_blocks",
    "torch_counts",
]

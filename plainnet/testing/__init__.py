"""Tools to test blocks with: random valid blocks and structures, and the contract that every block fulfils."""

from plainnet.testing.contract import BlockContractError, check_block
from plainnet.testing.oracle import TorchCounts, torch_counts
from plainnet.testing.sampling import sample_block, sample_case, sample_shape, sample_structure, shipped_blocks

__all__ = [
    "BlockContractError",
    "TorchCounts",
    "check_block",
    "sample_block",
    "sample_case",
    "sample_shape",
    "sample_structure",
    "shipped_blocks",
    "torch_counts",
]

"""Seeds: what is drawn for a network depends on the run's seed, the network and the repeat, and on nothing else."""

from __future__ import annotations

import hashlib

__all__ = ["derived_seed"]


def derived_seed(seed: int, identity: str, repeat: int) -> int:
    """A 63-bit seed from the run's seed, the hash of a structure and the number of the repeat (BLAKE2b), so that the same
    network gets the same score in every process and order, and repeat k does not depend on how many there are.
    """
    text = f"{seed}:{identity}:{repeat}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1

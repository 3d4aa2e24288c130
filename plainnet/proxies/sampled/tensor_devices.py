"""Where tensors live, by name."""

from __future__ import annotations

import torch

from plainnet.errors import UsageError

__all__ = ["torch_device"]


def torch_device(device: str | torch.device) -> torch.device:
    """The device of a name, which is there and computes; `UsageError` otherwise."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except Exception as error:  # torch raises RuntimeError, AssertionError or NotImplementedError
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = first_line.partition(". ")[0]  # behind it torch lists every part that it is made of
        raise UsageError(f"device {str(device)!r} cannot be used: {reason}") from error
    if found.type == "meta":
        raise UsageError("nothing is computed on the meta device; accepted: cpu, cuda, ...")
    return found

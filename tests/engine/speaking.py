"""What processes say to each other; a script for launchers: python speaking.py FILE [abort]."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plainnet.engine import EpochBasedTrainer
from plainnet.engine.processes import (
    abort,
    barrier,
    broadcast,
    gather,
    is_main_process,
    main_process,
    process_count,
    process_number,
)


@main_process
def written(path: Path) -> str:
    """Late, so that who does not wait for it finds no file."""
    time.sleep(0.2)
    path.write_text("there")
    return "by the first"


def said(folder: Path) -> dict[str, Any]:
    """What this process sees: of a process that knows its number alone."""
    number = process_number()
    file = folder / f"together{process_count()}"
    own = written(file)
    barrier()
    found = {"file": file.exists(), "own": own, "all": broadcast(own)}
    tensor = torch.full((number + 1,), float(number), requires_grad=True)
    parts: list[Any] = gather({"number": number, "parts": [tensor, ("word", None)]})
    last = broadcast({"from": number}, source=process_count() - 1)
    return {
        **found,
        "numbers": [part["number"] for part in parts],
        "tensors": [part["parts"][0].tolist() for part in parts],
        "words": [part["parts"][1][0] for part in parts],
        "last": last["from"],
        "main": is_main_process(),
    }


def main() -> None:
    path = Path(sys.argv[1])
    trainer = EpochBasedTrainer(epochs=1, device="cpu")
    trainer.register_model(nn.Linear(1, 1))
    everyones = gather(said(path.parent))
    if is_main_process():
        path.write_text(json.dumps(everyones))
    barrier()
    if sys.argv[2:] == ["abort"] and not is_main_process():
        abort("the disk smells of smoke")
    barrier()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()

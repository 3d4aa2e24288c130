"""Trains in child processes that are killed at random times, until the run is complete; prints where each kill came.

python killer.py OPTIONS.json KILLS: the options are overrides of the recipe `quick`.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from rich.console import Console

from plainnet.engine.checkpoints.checkpoint import checkpoints
from plainnet.engine.run.build import build_trainer
from plainnet.engine.run.registry import Registry
from plainnet.engine.run.schema import recipes
from plainnet.engine.run.training_run import load_config, train


def main() -> None:
    options, kills = json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])
    config = load_config(recipes()["quick"], overrides=[*options, "log.tensorboard=false", "device=cpu"])
    folder = Path(config.value.run)
    build_trainer(config, Registry())  # imports everything once, here
    random.seed(0)
    seen: list[str] = []
    while True:
        child = os.fork()
        if child == 0:
            train(config, console=Console(quiet=True), continue_existing=True)
            os._exit(0)
        if len(seen) == kills:
            assert os.waitpid(child, 0)[1] == 0
            break
        before = position(folder)
        while position(folder) == before and os.waitpid(child, os.WNOHANG)[0] == 0:
            time.sleep(0.002)  # some progress first, so that the run comes to its end
        time.sleep(random.uniform(0.0, 0.06))
        os.kill(child, signal.SIGKILL)
        if os.waitpid(child, 0)[1] != signal.SIGKILL:
            raise SystemExit("the run was complete before all kills had come: make it longer")
        seen.append(position(folder))
    print(json.dumps(seen))


def position(folder: Path) -> str:
    found = checkpoints(folder / "checkpoints")
    return found[-1].name if found else ""


if __name__ == "__main__":
    main()

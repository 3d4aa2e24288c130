"""Small working files to begin something of one's own with, each with its test: what `plainnet new` writes."""

from __future__ import annotations

import keyword
import os
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from plainnet.errors import UsageError, nearest, not_written

__all__ = ["STARTERS", "Starter", "write_starter"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,60}", re.ASCII)


@dataclass(frozen=True)
class Starter:
    """What is written for a kind: the file, its test, and how it is used.

    <Name>, <name>, <file> (its path) and <base> (its name alone) are replaced in them.
    """

    summary: str
    suffix: str
    text: str
    test: str
    use: str


BLOCK = '''"""<Name>: a block of your own, to be written as <Name>(3,16,2) in a network string."""

from plainnet.blocks import Channels, PlainNetBasicBlockClass, Stride
from plainnet.blocks.rows.layers import Act, Add, Conv, Norm


class <Name>(PlainNetBasicBlockClass):
    """A 3x3 convolution, then a residual one: replace the layers by yours; counts, modules and mutation follow."""

    in_channels: Channels
    out_channels: Channels
    stride: Stride

    def layers(self):
        first = (Conv(self.out_channels, 3, self.stride), Norm(), Act())
        return (*first, Add((Conv(self.out_channels, 3), Norm())), Act())
'''
BLOCK_TEST = '''"""The contract of <Name>: it reads, prints, counts, builds and mutates as every block does."""

from pathlib import Path

import plainnet
from plainnet.blocks.user import load_blocks
from plainnet.testing import check_block

<Name> = load_blocks(Path(__file__).with_name("<base>")).<Name>


def test_the_contract():
    check_block(<Name>, samples=5)


def test_counts():
    result = plainnet.analyze_model("<Name>(3,8,2)", resolution=8, num_classes=0, latency=False, zen=False)
    assert result.feature_shape == [8, 4, 4]
    assert result.params == 3 * 8 * 9 + 8 * 8 * 9 + 2 * 16
'''
PROXY = '''"""<name>: a proxy of your own, to be used as `plainnet score NETWORK --proxies <file> --proxy <name>`."""

import torch

from plainnet import proxy


@proxy(cost="1 forward")
def <name>(module, images):
    """How much the answers of the untrained network differ from image to image: the deviation of its outputs."""
    with torch.no_grad():
        return float(module(images).std(dim=0).mean())
'''
PROXY_TEST = '''"""The contract of <name>: one number, the same for the same seed, and networks are left as they were found."""

from pathlib import Path

from plainnet.proxies.catalogue import load_proxies
from plainnet.testing.proxies import check_proxy

load_proxies(str(Path(__file__).with_name("<base>")))


def test_the_contract():
    check_proxy("<name>")
'''
TASK = '''"""<Name>: a task of your own, to be used as `plainnet train quick task.type=<file>:<Name>`."""

from plainnet.engine import Ratio, Task


class <Name>(Task):
    """One class for each image: replace outputs, metrics and postprocess by yours."""

    def train_forward(self, batch):
        return {"logits": self.model(batch["image"])}

    def postprocess(self, outputs):
        return {"probabilities": outputs["logits"].softmax(dim=1)}

    def metrics(self, outputs, batch):
        right = outputs["logits"].argmax(dim=1) == batch["label"]
        return {"accuracy": Ratio(right.sum(), len(right))}
'''
TASK_TEST = '''"""<Name> trains an epoch on the digits."""

import json
from pathlib import Path

import plainnet

NET = "SuperConvK3BNRELU(1,4,2,1)"
TYPE = json.dumps(f"{Path(__file__).with_name('<base>')}:<Name>")
SHORT = ["train.epochs=1", "log.every=5", "log.tensorboard=false", "device=cpu"]


def test_it_trains(tmp_path):
    summary = plainnet.train(NET, overrides=[*SHORT, f"task.type={TYPE}", f"run={tmp_path}/run"])
    assert summary.complete
    assert 0 <= summary.metrics["val/accuracy"] <= 1
'''
HOOK = '''"""<Name>: a hook of your own, to be used as `plainnet train quick hooks=[{type: '<file>:<Name>'}]`."""

from plainnet.engine import Hook


class <Name>(Hook):
    """Counts the updates of a run; what it must remember after a resume goes into `state_dict`."""

    def __init__(self):
        self.updates = 0

    def after_update(self, trainer):
        self.updates += 1
        if trainer.logs_now:
            trainer.extras["<name>/updates"] = self.updates

    def state_dict(self):
        return {"updates": self.updates}

    def load_state_dict(self, state):
        self.updates = state["updates"]
'''
HOOK_TEST = '''"""<Name> sees every update of a run."""

import json
from pathlib import Path

import plainnet

NET = "SuperConvK3BNRELU(1,4,2,1)"
TYPE = json.dumps(f"{Path(__file__).with_name('<base>')}:<Name>")
SHORT = ["train.epochs=1", "log.every=5", "log.tensorboard=false", "device=cpu"]


def test_it_is_called(tmp_path):
    summary = plainnet.train(NET, overrides=[*SHORT, f"hooks=[{{type: {TYPE}}}]", f"run={tmp_path}/run"])
    assert summary.complete
    assert '"<name>/updates": ' in (tmp_path / "run" / "log.jsonl").read_text()
'''
CONFIG = """# <name>: a configuration of your own; train it with: plainnet train <file>
# Every key, with its meaning: plainnet config explain <file>
_base_: quick
model:
  _delete_: true
  type: PlainNet
  structure: SuperConvK3BNRELU(1,8,1,1)SuperResK3K3(8,16,2,8,1)SuperConvK1BNRELU(16,32,1,1)
train:
  epochs: 5
optim:
  lr: 0.05
"""
CONFIG_TEST = '''"""The configuration names what there is, and trains."""

from pathlib import Path

from plainnet.engine import load_config, train

SHORT = ["train.epochs=1", "log.tensorboard=false", "device=cpu"]


def test_it_trains(tmp_path):
    config = load_config(Path(__file__).with_name("<base>"), overrides=[*SHORT, f"run={tmp_path}/run"])
    assert train(config).complete
'''

STARTERS: Mapping[str, Starter] = {
    "block": Starter(
        "a block for network strings",
        ".py",
        BLOCK,
        BLOCK_TEST,
        "plainnet analyze '<Name>(3,16,2)' --blocks <file> --resolution 32",
    ),
    "proxy": Starter(
        "a score of untrained networks",
        ".py",
        PROXY,
        PROXY_TEST,
        "plainnet score resnet18 --proxies <file> --proxy <name>",
    ),
    "task": Starter(
        "what is learned: outputs and metrics", ".py", TASK, TASK_TEST, "plainnet train quick task.type=<file>:<Name>"
    ),
    "hook": Starter(
        "code at the events of a training",
        ".py",
        HOOK,
        HOOK_TEST,
        "plainnet train quick hooks=\"[{type: '<file>:<Name>'}]\"",
    ),
    "config": Starter("a training configuration", ".yaml", CONFIG, CONFIG_TEST, "plainnet train <file>"),
}
"""Kind -> what is written."""


def write_starter(kind: str, name: str, folder: Path) -> tuple[Path, Path, str]:
    """Write the file of a kind and its test into a folder, which is made if it is not there: both paths, and how it is used.

    `UsageError` for an unknown kind, for a name that is none in Python, and for files that are there already; then nothing is
    written.
    """
    if kind not in STARTERS:
        near = nearest(kind, STARTERS)
        raise UsageError(
            f"there is no kind {kind}; accepted: {', '.join(STARTERS)}" + (f"; did you mean {near}?" if near else "")
        )
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(
            f"{name!r} cannot be a name; accepted: letters, digits and _, a letter first, and no word of Python"
        )
    starter, lower = STARTERS[kind], _snake(name)
    file, test = folder / f"{lower}{starter.suffix}", folder / f"test_{lower}.py"
    for path in (file, test):
        if os.path.lexists(path):
            raise UsageError(f"{path} exists already")
    names = {
        "Name": name[:1].upper() + name[1:],
        "name": lower,
        "file": shlex.quote(file.as_posix()),
        "base": file.name,
    }
    written, made = list[Path](), not os.path.isdir(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in ((file, starter.text), (test, starter.test)):
            written.append(path)
            path.write_text(_filled(text, names), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        for path in written:
            with suppress(OSError):
                path.unlink()
        if made:
            with suppress(OSError):
                folder.rmdir()
        if not written:
            raise not_written(folder, error, done="made") from None
        raise not_written(written[-1], error) from None
    return file, test, _filled(starter.use, names)


def _snake(name: str) -> str:
    """MyBlock -> my_block: what the file is called."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _filled(text: str, names: Mapping[str, str]) -> str:
    """The text with the names in it, in one pass: what is put in is not looked through again."""
    return re.sub(r"<(\w+)>", lambda found: names.get(found[1], found[0]), text)

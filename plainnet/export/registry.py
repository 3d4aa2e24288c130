"""Which targets there are: by name, with the module that writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from plainnet.errors import MissingExtraError, UsageError, nearest
from plainnet.export.job import Job, Usage

__all__ = ["TARGETS", "Target", "find_target"]


@dataclass(frozen=True)
class Target:
    """A form that a network is exported to.

    module: holds `write(job) -> Usage`, which writes the files into `job.folder`.
    needs: packages without which it cannot be written, and the extra that brings them.
    """

    name: str
    summary: str
    module: str
    aliases: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    extra: str = ""

    def writer(self) -> Callable[[Job], Usage]:
        """The function that writes this target; `MissingExtraError` if a package is not there."""
        missing = [package for package in self.needs if find_spec(package) is None]
        if missing:
            raise MissingExtraError(" and ".join(missing), self.extra)
        write: Callable[[Job], Usage] = import_module(f"plainnet.export.targets.{self.module}").write
        return write


TARGETS = {
    target.name: target
    for target in (
        Target("pytorch", "model.py and train.py that need nothing but torch", "pytorch", ("torch",)),
        Target("plainnet", "train.yaml for `plainnet train`", "plainnet"),
        Target("timm", "a registered timm model and the arguments of timm's train.py", "timm"),
        Target(
            "mmpretrain",
            "an OpenMMLab backbone, with configs for its frameworks",
            "openmmlab",
            ("mmengine", "mmdetection", "mmdet", "openmmlab"),
        ),
        Target("lightning", "a LightningModule, and the YAML of LightningCLI", "lightning", ("pytorch-lightning",)),
        Target("onnx", "model.onnx, batch and size dynamic", "onnx", (), ("onnx", "onnxscript", "onnxruntime"), "onnx"),
        Target("torch.export", "model.pt2, batch and size dynamic", "torch_export", ("torch-export", "pt2")),
        Target("torchscript", "model.ts for torch.jit.load and libtorch", "torchscript", ("jit",)),
    )
}
"""Name -> target."""

_BY_NAME = {name: target for target in TARGETS.values() for name in (target.name, *target.aliases)}


def find_target(name: str) -> Target:
    """The target of a name; `UsageError` with the nearest one."""
    found = _BY_NAME.get(name.lower())
    if found is not None:
        return found
    near = nearest(name, _BY_NAME)
    hint = f"; did you mean {near}?" if near else ""
    raise UsageError(f"unknown target {name!r}; accepted: {', '.join(TARGETS)}{hint}")

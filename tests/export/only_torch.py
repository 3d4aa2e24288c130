"""Run a script with nothing to import but torch, and what torch needs: python only_torch.py SCRIPT ARGUMENTS..."""

import importlib.abc
import runpy
import sys
from pathlib import Path

ELSEWHERE = {
    *("PIL", "accelerate", "click", "fvcore", "kornia", "lightning", "mmengine", "onnx", "plainnet", "pydantic", "ray"),
    *("rich", "ruamel", "safetensors", "scipy", "sklearn", "thop", "timm", "torchvision"),
}


class Refusal(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path=None, target=None):  # noqa: ANN001, ANN201, ARG002
        if fullname.partition(".")[0] in ELSEWHERE:
            raise ImportError(f"{fullname} is not there")


sys.meta_path.insert(0, Refusal())
sys.argv = sys.argv[1:]
sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
runpy.run_path(sys.argv[0], run_name="__main__")

"""Run a script with nothing to import but torch, and what torch needs: python only_torch.py SCRIPT ARGUMENTS..."""

import runpy
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from pathlib import Path

ELSEWHERE = {
    *("PIL", "accelerate", "click", "fvcore", "kornia", "lightning", "mmengine", "onnx", "plainnet", "pydantic", "ray"),
    *("rich", "ruamel", "safetensors", "scipy", "sklearn", "thop", "timm", "torchvision"),
}


class Finder:
    """Finds what `PathFinder` finds, but for packages that the exported folder must do without."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in ELSEWHERE else PathFinder.find_spec(name, path, target)

    @staticmethod
    def find_distributions(*args, **kwargs):
        return PathFinder.find_distributions(*args, **kwargs)


sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Finder]
sys.argv = sys.argv[1:]
sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
runpy.run_path(sys.argv[0], run_name="__main__")

"""python train.py TIMM/train.py --config args.yaml --data-dir IMAGES: timm's own training script with this model."""

import runpy
import sys

import timm_model  # noqa: F401 - registers the model

if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit("which training script? It is train.py in timm's repository")
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")

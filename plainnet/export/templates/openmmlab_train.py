"""python train.py: train with mmengine alone, as config_mmengine.py says; --epochs N for another length."""

import argparse
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train with mmengine alone.")
    parser.add_argument("--config", type=Path, default=Path("config_mmengine.py"))
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    config = Config.fromfile(args.config)
    if args.epochs:
        config.merge_from_dict({"train_cfg.max_epochs": args.epochs})
        warmup, cosine = config.param_scheduler
        cosine.end = args.epochs
        config.param_scheduler = [warmup, cosine] if args.epochs > 1 else [warmup]
    Runner.from_cfg(config).train()

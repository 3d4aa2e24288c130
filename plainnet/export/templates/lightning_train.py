"""python train.py fit --config fit.yaml"""

from lightning.pytorch.cli import LightningCLI
from lit import Images, LitNet

if __name__ == "__main__":
    LightningCLI(LitNet, Images)

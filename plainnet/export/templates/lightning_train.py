"""python train.py fit --config fit.yaml"""

from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lit import Images, LitNet


class CLI(LightningCLI):
    """LightningCLI; the classes of the network are those of the images."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.link_arguments("data.num_classes", "model.num_classes", apply_on="instantiate")


if __name__ == "__main__":
    CLI(LitNet, Images)

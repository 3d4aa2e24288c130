"""`plainnet train` as a script, for launchers that start several processes."""

from plainnet.cli.train import train_command

if __name__ == "__main__":
    train_command()

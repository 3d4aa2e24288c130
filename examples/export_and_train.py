"""From a string to plain PyTorch and back: export, train the exported folder, and load what it learned."""

import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import plainnet
from plainnet.export import Network, export_network

structure = plainnet.parse("SuperConvK3BNRELU(1,16,1,1)SuperResK3K3(16,32,2,16,1)SuperResIDWE2K3(32,64,2,16,1)")
folder = Path(tempfile.mkdtemp()) / "digits_net"
for file in export_network(
    Network(structure, resolution=8, num_classes=10, name="digits_net"), to="pytorch", out=folder
):
    print(file.name, f"{len(file.read_text().splitlines())} lines")

# the folder needs nothing of plainnet: this could be another machine
subprocess.run([sys.executable, "train.py", "--epochs", "5"], cwd=folder, check=True)

net = plainnet.PlainNet(structure, num_classes=10, in_channels=1)
net.load_state_dict(torch.load(folder / "trained.pt", weights_only=True))
print(f"{sum(p.numel() for p in net.parameters()):,} trained parameters are back in {net.structure.hash}")

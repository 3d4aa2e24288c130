"""The installed package, outside of the checkout: the four things that users come for."""

import json
import subprocess
from pathlib import Path

import plainnet

assert "site-packages" in plainnet.__file__, plainnet.__file__

STRUCTURE = "SuperConvK3BNRELU(3,16,1,1)SuperResK3K3(16,24,2,16,1)SuperConvK1BNRELU(24,64,1,1)"


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


for program in (["plainnet", "analyze"], ["analyze_model"]):
    options = ["--resolution", "32", "--num-classes", "10", "--no-latency", "--json"]
    record = json.loads(run(*program, STRUCTURE, *options))
    assert (
        record["params"]
        == plainnet.analyze_model(STRUCTURE, resolution=32, num_classes=10, latency=False, zen=False).params
    )
    assert record["zen"]["mean"] > 0

assert "zennet_cifar_model_size1M_res32" in run("plainnet", "list")
net = plainnet.PlainNet(STRUCTURE, num_classes=10)
assert sum(parameter.numel() for parameter in net.parameters()) == record["params"]
assert Path(plainnet.__file__).with_name("py.typed").is_file()
print("the installation works")

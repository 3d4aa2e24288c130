"""A disk that becomes full while a network is converted: an error, no folder, and the process goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json, resource, sys
from pathlib import Path
import plainnet
from plainnet.errors import PlainnetError
from plainnet.platforms.platform import find_platform

net = plainnet.PlainNet("SuperConvK3BNRELU(3,8,2,1)SuperConvK1BNRELU(8,16,1,1)", num_classes=3, resolution=16).eval()
told = {}

def tried(name, write):
    for most in (300, 1000):
        folder = Path(f"{name}-{most}")
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        try:
            write(folder)
            said = "written"
        except PlainnetError as error:
            said = str(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        told[folder.name] = [said, folder.exists()]

for name in ("torch", "torchscript", "torch.export", "onnxruntime"):
    if not find_platform(name).missing():
        tried(name, lambda folder: net.to_platform(name, folder))
print(json.dumps(told))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="files have no limit there")
def test_a_conversion_that_has_no_room_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    """The system lets no file be longer than some bytes, which stands for a full disk."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {"torchscript-300", "torch.export-1000", "torch-300"} <= told.keys()
    for name, (said, is_there) in told.items():
        assert "File too large" in said, (name, said)
        assert not is_there, name
    assert list(tmp_path.iterdir()) == []

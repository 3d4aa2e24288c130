"""The machine record."""

import json
import subprocess
import sys

import torch

from plainnet.profiler.machine import machine_record


def test_the_record_is_filled_and_is_json() -> None:
    record = machine_record()
    assert json.loads(json.dumps(record)) == record
    assert record["cpu"]
    assert record["cores"] >= record["usable_cores"] >= 1
    assert record["torch"] == torch.__version__
    assert record["torch_threads"] == torch.get_num_threads()


def test_the_record_does_not_import_torch() -> None:
    code = (
        "import sys; from plainnet.profiler.machine import machine_record; record = machine_record();"
        "assert record['torch'] and record['torch_threads'] is None; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

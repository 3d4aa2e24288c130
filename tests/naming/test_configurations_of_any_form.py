"""A training configuration is one however it is written: lines of YAML, JSON, which is YAML, or Python."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plainnet.configs import dump_python, dump_values
from plainnet.naming.training import training_config

SOURCE: dict[str, Any] = {
    "_base_": "quick",
    "model": {"structure": "SuperConvK3BNRELU(1,4,2,1)SuperConvK1BNRELU(4,8,1,1)"},
    "data": {"batch_size": 99},
    "train": {"epochs": 3},
}
FORMS = {
    "lines.yaml": dump_values(SOURCE),
    "json.yaml": json.dumps(SOURCE),
    "indented.yml": json.dumps(SOURCE, indent=2),
    "python.py": dump_python(SOURCE),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_configuration_is_no_network_that_a_recipe_trains(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(FORMS[name])
    config, subject = training_config(str(file), (), recipe="quick", imports=(), named_run=True)
    assert subject is None
    assert (config.value.data.batch_size, config.value.train.epochs) == (99, 3)


def test_a_file_of_structures_is_still_one(tmp_path: Path) -> None:
    file = tmp_path / "net.yaml"
    file.write_text(json.dumps({"structure": SOURCE["model"]["structure"]}))
    config, subject = training_config(str(file), (), recipe="quick", imports=(), named_run=True)
    assert subject is not None
    assert config.value.data.batch_size == 64

"""The plainnet target: our own engine reads and trains it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import plainnet
from plainnet.blocks.user import load_blocks
from plainnet.errors import UsageError
from plainnet.export import Network, export_network
from tests.export.conftest import images, probe

CHECKOUT = str(Path(plainnet.__file__).parents[1])

OWN_BLOCK = '''
import plainnet
from plainnet.blocks import Channels
from plainnet.blocks.rows.layers import Act, Conv, Layers, Norm


class ExportedOwnBlock(plainnet.PlainNetBasicBlockClass):
    """A convolution of a file of the user's."""

    in_channels: Channels
    out_channels: Channels

    def layers(self) -> Layers:
        return (Conv(self.out_channels, 3), Norm(), Act("silu"))
'''


def built(folder: Path) -> Any:
    """The configuration of a folder, and the trainer that the engine builds from it."""
    from plainnet.engine.run.build import build_trainer
    from plainnet.engine.run.registry import Registry
    from plainnet.engine.run.training_run import load_config

    config = load_config(folder / "train.yaml")
    return config, build_trainer(config, Registry(config.value.imports))


def test_the_engine_builds_the_same_network(
    export: Callable[..., Path], network: Network, reference: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.chdir(export("plainnet"))
    config, found = built(export("plainnet"))
    model = found.model.eval()
    batch = images(2, *network.shape)
    assert torch.equal(model(batch), reference(batch))
    assert sum(parameter.numel() for parameter in model.parameters()) == network.counts.params
    assert found.data.shape == (3, 16, 16)
    assert Path(config.value.run) == export("plainnet") / "runs" / "small_net"


@pytest.mark.slow
def test_the_engine_trains_it(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    from plainnet.engine.run.training_run import load_config, train

    export_network(network, to="plainnet", out=tmp_path / "net")
    monkeypatch.chdir(tmp_path / "net")
    config = load_config(Path("train.yaml"), overrides=["train.epochs=4", "device=cpu", "log.tensorboard=false"])
    summary = train(config, console=Console(quiet=True))
    assert summary.params == network.counts.params
    assert summary.metrics["val/accuracy"] > 0.5  # of ten classes
    trained = tmp_path / "net" / "runs" / "small_net" / "best.safetensors"
    export_network(network, to="pytorch", out=tmp_path / "plain", weights=trained)
    assert (tmp_path / "plain" / "weights.pt").is_file()


@pytest.mark.slow
def test_own_blocks_go_with_the_configuration_and_it_trains_from_any_folder(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    source = f"from exported_helper_ import KERNEL\n{OWN_BLOCK.replace(', 3)', ', KERNEL)')}"
    (tmp_path / "mine.py").write_text(source)
    (tmp_path / "exported_helper_.py").write_text("KERNEL = 3\n")
    load_blocks(tmp_path / "mine.py")
    network = Network(plainnet.parse("Sequential(ExportedOwnBlock(1,8)MaxPool(8,2,2))"), 8, 10, name="own")
    weights = tmp_path / "w.pt"
    torch.save(network.build().state_dict(), weights)
    export_network(network, to="plainnet", out=tmp_path / "net", weights=weights)
    assert (tmp_path / "net" / "mine.py").read_text() == source
    (tmp_path / "exported_helper_.py").unlink()
    (tmp_path / "elsewhere").mkdir()
    overrides = ("train.epochs=1", "device=cpu", "log.tensorboard=false", "run=trained")
    code = (
        "from pathlib import Path; from plainnet.engine.run.training_run import load_config, train; "
        f"print(train(load_config(Path('../net/train.yaml'), overrides={overrides})).params)"
    )
    assert (
        probe(tmp_path / "elsewhere", f"import sys; sys.path.insert(0, {CHECKOUT!r}); {code}") == network.counts.params
    )


def test_own_blocks_that_are_in_no_file_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("typed_at_a_prompt")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(OWN_BLOCK.replace("ExportedOwnBlock", "HomelessBlock"), vars(module))
    network = Network(plainnet.parse("HomelessBlock(1,8)"), 8, 10)
    with pytest.raises(UsageError, match="the block HomelessBlock is in no file"):
        export_network(network, to="plainnet", out=tmp_path / "net")


def test_variants_and_sizes_are_kept(tmp_path: Path) -> None:
    from ruamel.yaml import YAML

    variant = plainnet.Variant(use_se=True, activation="silu")
    network = Network(plainnet.parse("SuperResK3K3(3,8,2,8,1)"), 224, 100, variant)
    export_network(network, to="plainnet", out=tmp_path / "net")
    config = YAML(typ="safe").load((tmp_path / "net" / "train.yaml").read_text())
    assert config["model"]["use_se"] is True
    assert config["model"]["activation"] == "silu"
    assert config["data"] == {"type": "digits", "channels": 3, "size": 64}

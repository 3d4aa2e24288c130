"""The timm target, with a stand-in for the three functions of timm that it calls.

timm needs torchvision, which is not there for this torch; docs/export.md says what was seen with timm itself. The
stand-in does what timm does with a model's entry point:
it enters it under its name with its configuration, and passes the configuration's classes and channels on.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML

from plainnet.export import Network
from plainnet.testing import torch_counts
from tests.export.conftest import images

REGISTRY: dict[str, Any] = {}


def register_model(function: Any) -> Any:
    REGISTRY[function.__name__] = function
    return function


def build_model_with_cfg(
    model_class: Any, variant: str, pretrained: bool, *, feature_cfg: dict[str, Any], **kwargs: Any
) -> Any:
    config = sys.modules["timm_model"].default_cfgs[variant]
    kwargs.setdefault("num_classes", config["num_classes"])
    kwargs.setdefault("in_chans", config["input_size"][0])
    net = model_class(**kwargs)
    net.default_cfg, net.feature_cfg = config, feature_cfg
    if pretrained:
        from safetensors.torch import load_file

        net.load_state_dict(load_file(config["file"]))
    return net


@pytest.fixture
def create(export: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The registered entry point of the exported model."""
    models = types.ModuleType("timm.models")
    vars(models).update(
        build_model_with_cfg=build_model_with_cfg, generate_default_cfgs=dict, register_model=register_model
    )
    monkeypatch.setitem(sys.modules, "timm", types.ModuleType("timm"))
    monkeypatch.setitem(sys.modules, "timm.models", models)
    monkeypatch.syspath_prepend(str(export("timm")))
    importlib.import_module("timm_model")
    yield REGISTRY["small_net"]
    for name in ("timm_model", "model"):
        sys.modules.pop(name, None)
    REGISTRY.clear()


def test_the_registered_model_is_the_same(create: Any, network: Network, reference: Any) -> None:
    assert list(REGISTRY) == ["small_net"]
    net = create(pretrained=True).eval()
    batch = images(2, *network.shape)
    assert torch.equal(net(batch), reference(batch))
    assert torch.equal(net.forward_head(net.forward_features(batch)), reference(batch))
    assert torch.equal(
        net.forward_head(net.forward_features(batch), pre_logits=True),
        reference.pool(reference.blocks(batch)).flatten(1),
    )
    counts = torch_counts(net, network.shape)
    assert (counts.params, counts.macs) == (network.counts.params, network.counts.macs)
    modules = dict(net.named_modules())
    assert isinstance(modules[net.default_cfg["first_conv"]], torch.nn.Conv2d)
    assert modules[net.default_cfg["classifier"]] is net.get_classifier()


def keep(found: dict[str, Any], name: str, part: Any, args: Any, output: Any) -> None:  # noqa: ARG001
    found[name] = output


def test_what_timm_asks_of_a_model(create: Any, network: Network) -> None:
    net = create(num_classes=5, drop_rate=0.5)
    batch = images(2, 3, 32, 32)
    assert net(batch).shape == (2, 5)
    net.reset_classifier(7)
    assert net.eval()(batch).shape == (2, 7)
    net.reset_classifier(0)
    assert net(batch).shape == (2, net.num_features)
    net.reset_classifier(0, "")
    assert net(batch).dim() == 4
    hooked: dict[str, Any] = {}
    modules = dict(net.named_modules())
    for info in net.feature_info:
        modules[info["module"]].register_forward_hook(partial(keep, hooked, info["module"]))
    net(batch)
    for info in net.feature_info:
        assert hooked[info["module"]].shape[1:] == (info["num_chs"], 32 // info["reduction"], 32 // info["reduction"])
    assert net.feature_cfg["out_indices"] == tuple(range(len(network.levels)))
    with pytest.raises(ValueError, match="takes 3 channels, in_chans is 1"):
        create(in_chans=1)
    with pytest.raises(ValueError, match="accepted: 'avg'"):
        create(global_pool="max")


def test_it_learns(create: Any) -> None:
    """A few steps on ten patterns, as timm's training script would take them."""
    torch.manual_seed(0)
    net = create(num_classes=4)
    patterns, labels = images(4, 3, 16, 16), torch.arange(4)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for step in range(60):
        batch = patterns.repeat(4, 1, 1, 1) + 0.2 * images(16, 3, 16, 16, seed=step)
        loss = torch.nn.functional.cross_entropy(net(batch), labels.repeat(4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert torch.equal(net.eval()(patterns).argmax(dim=1), labels)


def test_the_arguments_are_those_of_the_network(export: Callable[..., Path], network: Network) -> None:
    arguments = YAML(typ="safe").load((export("timm") / "args.yaml").read_text())
    assert arguments["model"] == "small_net"
    assert arguments["input_size"] == network.shape.as_list()
    assert arguments["num_classes"] == network.num_classes
    assert (export("timm") / arguments["initial_checkpoint"]).is_file()

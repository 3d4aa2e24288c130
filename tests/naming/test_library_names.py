"""`timm:NAME` and `hf:NAME`: models of other libraries by name, with stubs in place of the libraries."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import plainnet
from plainnet.cli.main import main
from plainnet.naming import Known

QUICK: dict[str, Any] = {"latency": False}


class Texts(nn.Module):
    """As a model of texts in transformers: it wants whole numbers by name, and puts out a dict."""

    main_input_name = "input_ids"

    def __init__(self) -> None:
        super().__init__()
        self.words, self.wide = nn.Embedding(50, 8), nn.Linear(8, 4)

    def forward(self, input_ids: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"last_hidden_state": self.wide(self.words(input_ids))}


def made_timm(name: str, *, pretrained: bool) -> nn.Module:
    assert not pretrained
    if name != "resnet18":
        raise RuntimeError(f"Unknown model ({name})")
    net = nn.Conv2d(2, 4, 3)
    net.pretrained_cfg = {"input_size": (2, 12, 10)}  # type: ignore[assignment]
    return net


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> None:
    stub: Any = ModuleType("timm")
    stub.create_model, stub.list_models = made_timm, lambda: ["resnet18", "vit_base"]
    monkeypatch.setitem(sys.modules, "timm", stub)


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {
        "bert": SimpleNamespace(kind="text"),
        "vit": SimpleNamespace(kind="image", image_size=[8, 6], num_channels=1),
    }

    def from_pretrained(name: str, *, trust_remote_code: bool, local_files_only: bool) -> Any:
        assert not trust_remote_code
        assert local_files_only == (Path(name).is_dir() or "/" not in name)
        if not Path(name).is_dir():
            raise OSError(f"nothing is called {name}\nand more")
        return SimpleNamespace(**json.loads((Path(name) / "config.json").read_text()))

    stub: Any = ModuleType("transformers")
    stub.CONFIG_MAPPING = known
    stub.AutoConfig = SimpleNamespace(for_model=known.__getitem__, from_pretrained=from_pretrained)
    stub.AutoModel = SimpleNamespace(from_config=lambda config, trust_remote_code: (  # noqa: ARG005
        Texts() if config.kind == "text" else nn.Conv2d(config.num_channels, 4, 3)))  # fmt: skip
    stub.AutoModelForImageClassification = SimpleNamespace(from_config=lambda config, trust_remote_code: (  # noqa: ARG005
        nn.Sequential(nn.Conv2d(config.num_channels, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 1))))  # fmt: skip
    monkeypatch.setitem(sys.modules, "transformers", stub)


@pytest.mark.usefixtures("timm")
def test_a_network_of_timm_comes_with_its_size() -> None:
    subject = plainnet.resolve("timm:resnet18")
    assert (subject.resolution, subject.channels) == (Known((12, 10), "from timm"), Known(2, "from timm"))
    result = plainnet.analyze_model("timm:resnet18", **QUICK)
    assert (result.input, result.params, result.macs) == ([2, 12, 10], 76, 4 * 10 * 8 * 18)
    assert plainnet.analyze_model("timm:resnet18", resolution=5, **QUICK).input == [2, 5, 5]


@pytest.mark.usefixtures("timm")
def test_a_misspelt_network_of_timm_gets_the_nearest_name() -> None:
    with pytest.raises(plainnet.UsageError, match=r"timm makes no resnet81 .*; did you mean timm:resnet18\?"):
        plainnet.resolve("timm:resnet81")


@pytest.mark.usefixtures("transformers")
def test_a_model_of_texts_is_given_tokens_unless_somebody_says_what() -> None:
    result = plainnet.analyze_model("hf:bert", **QUICK)
    assert (result.macs, result.params) == (128 * 8 * 4, 50 * 8 + 36)
    assert any("no head of a task" in note for note in result.notes)
    said = plainnet.analyze_model("hf:bert", kwargs={"input_ids": torch.zeros(2, 5, dtype=torch.long)}, **QUICK)
    assert said.macs == 2 * 5 * 8 * 4


@pytest.mark.usefixtures("transformers")
def test_a_model_of_images_has_the_size_of_its_configuration() -> None:
    result = plainnet.analyze_model("hf:vit", **QUICK)
    assert (result.input, result.macs) == ([1, 8, 6], 4 * 6 * 4 * 9)


@pytest.mark.usefixtures("transformers")
def test_a_folder_names_the_head_and_stays_on_this_machine(tmp_path: Path) -> None:
    about = {"kind": "image", "image_size": 6, "num_channels": 3, "architectures": ["MineForImageClassification"]}
    (tmp_path / "config.json").write_text(json.dumps(about))
    result = plainnet.analyze_model(f"hf:{tmp_path}", **QUICK)
    assert (result.params, list(result.notes)) == (3 * 4 * 9 + 4 + 4 * 3 + 3, [])


@pytest.mark.usefixtures("transformers")
@pytest.mark.parametrize("name", ["bertt", "someone/net"])
def test_a_name_that_nothing_has_says_what_is_accepted(name: str) -> None:
    with pytest.raises(plainnet.UsageError, match=r"no configuration was found \(OSError: nothing is called") as caught:
        plainnet.resolve(f"hf:{name}")
    assert str(caught.value).endswith("did you mean hf:bert?" if name == "bertt" else "OWNER/NAME")


@pytest.mark.usefixtures("transformers")
def test_the_command_line_says_what_it_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["analyze", "hf:bert", "--no-latency"])
    assert "input input_ids=1x128:int64 (default)" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main(["analyze", "hf:bert", "--no-latency", "--input", "input_ids=1x3:int64", "--json"])
    assert json.loads(capsys.readouterr().out)["macs"] == 3 * 8 * 4


@pytest.mark.parametrize(("name", "package"), [("timm:resnet18", "timm"), ("hf:bert", "transformers")])
def test_what_is_not_installed_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(plainnet.UsageError, match=f"{package} is needed here.*: pip install {package}"):
        plainnet.resolve(name)

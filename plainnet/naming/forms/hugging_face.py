"""`hf:NAME`: a model of Hugging Face's transformers with random weights, made from its configuration alone.

NAME is a kind of model that the package knows (`hf:vit`: its default sizes, nothing is fetched), a folder with a
`config.json`, or a repository on the hub, of which the configuration is fetched or taken from the cache. Code beside a
configuration never runs.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from plainnet.errors import UsageError, nearest
from plainnet.naming.form import Form, Reading
from plainnet.naming.subject import RESOLUTION, Known, Subject

__all__ = ["FORM"]

PREFIX = "hf:"
SOURCE = "from its configuration"
HEADS = {
    "ForImageClassification": "AutoModelForImageClassification",
    "ForSemanticSegmentation": "AutoModelForSemanticSegmentation",
    "ForObjectDetection": "AutoModelForObjectDetection",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForCausalLM": "AutoModelForCausalLM",
    "LMHeadModel": "AutoModelForCausalLM",
    "ForConditionalGeneration": "AutoModelForSeq2SeqLM",
}
"""How the architecture of a configuration ends, and what makes a model with that head."""
TEXT, TOKENS = "input_ids", "1x128:int64"
"""What a model of texts is given where nobody says: one of 128 tokens."""


def _read(text: str, reading: Reading) -> Subject:  # noqa: ARG001
    library, name = _transformers(), text.removeprefix(PREFIX)
    config = _config(library, name)
    module, notes = _model(library, config, name)
    size, channels = getattr(config, "image_size", None), getattr(config, "num_channels", None)
    is_size = isinstance(size, int) or (isinstance(size, (list, tuple)) and len(size) == 2)
    of_text = getattr(module, "main_input_name", None) == TEXT
    return Subject(
        text,
        "a model of transformers",
        module=module,
        name=text,
        resolution=Known(size if isinstance(size, int) else tuple(size or ()), SOURCE) if is_size else RESOLUTION,
        channels=Known(channels, SOURCE) if isinstance(channels, int) else None,
        inputs=(f"{TEXT}={TOKENS}",) if of_text else (),
        notes=notes,
    )


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise UsageError("transformers is needed here: pip install transformers") from error
    found: ModuleType = transformers
    return found


def _config(library: Any, name: str) -> Any:
    kinds = list(library.CONFIG_MAPPING.keys())
    is_folder = Path(name).is_dir()
    is_local = is_folder or "/" not in name  # a misspelt kind is not worth asking the hub for half a minute
    try:
        if not is_folder and name in kinds:
            return library.AutoConfig.for_model(name)
        return library.AutoConfig.from_pretrained(name, trust_remote_code=False, local_files_only=is_local)
    except Exception as error:  # whatever a library raises that looks in files and on the network
        near = nearest(name, kinds)
        hint = f"; did you mean {PREFIX}{near}?" if near else ""
        raise UsageError(
            f"{PREFIX}{name}: no configuration was found ({_first_line(error)}); accepted: a kind of model such as {PREFIX}vit, "
            f"a folder with a config.json, or a repository of the hub, OWNER/NAME{hint}"
        ) from error


def _model(library: Any, config: Any, name: str) -> tuple[Any, tuple[str, ...]]:
    """The model, and what a reader should know of it."""
    said = next(iter(getattr(config, "architectures", None) or ()), "")
    maker = next((maker for end, maker in HEADS.items() if said.endswith(end)), "AutoModel")
    try:
        module = getattr(library, maker).from_config(config, trust_remote_code=False)
    except Exception as error:  # whatever a model raises that is made
        raise UsageError(f"{PREFIX}{name}: transformers makes no model of it: {_first_line(error)}") from error
    bare = "the model alone, as its configuration names no head of a task" if maker == "AutoModel" else None
    return module, () if bare is None or said == type(module).__name__ else (bare,)


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


FORM = Form("a model of transformers", "hf:NAME", 7, lambda text: text.startswith(PREFIX), _read)

"""`plainnet.train`: a configuration, or a network that is named in any way with a recipe, trained."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.variants import Variant
from plainnet.errors import UnknownNetworkError, UsageError, nearest
from plainnet.naming.forms.components_file import is_components_file
from plainnet.naming.resolver import resolve
from plainnet.naming.subject import Known, Subject
from plainnet.network.counting.user_modules import is_module_reference
from plainnet.network.published import NORM_EPS

if TYPE_CHECKING:
    from rich.console import Console

    from plainnet.configs import Config
    from plainnet.engine.run.run_summary import RunSummary
    from plainnet.engine.run.schema import TrainConfig

__all__ = ["fresh_folder", "train", "training_config"]

QUICK = "quick"
"""The recipe that learns the digits."""
DIGITS = range(8, 65)
"""Sides of the digits at which a network that was found or trained at that size learns them."""


def train(
    network: Any,
    *,
    recipe: str = QUICK,
    overrides: Sequence[str] = (),
    imports: Sequence[str] = (),
    trust: bool = False,
    console: Console | None = None,
) -> RunSummary:
    """Train a network in a fresh folder of runs/ (or that of `run=FOLDER` among the overrides); how the run ended.

        plainnet.train("runs/search:2", overrides=["train.epochs=10", "run=runs/second"])

    network: whatever `plainnet.resolve` takes, trained with the `recipe`; trained weights are begun with. Also a configuration:
        a YAML or Python file, the name of a recipe, or a mapping. To take a run up again: `plainnet.engine.resume`.
    overrides: `KEY=VALUE` of the configuration. imports: your files or modules that it names.

    Raises `ConfigError` with the place of what is wrong with the configuration, `UsageError` and `RunError`.
    """
    from plainnet.engine.run.training_run import train as run

    if isinstance(network, Mapping):
        from plainnet.engine.run.training_run import load_config

        return run(load_config(network, overrides=overrides, imports=imports), console=console)
    named = any(item.partition("=")[0].strip() == "run" for item in overrides)
    config, _ = training_config(network, overrides, recipe=recipe, imports=imports, named_run=named, trust=trust)
    return run(config, console=console)


def training_config(
    what: Any,
    overrides: Iterable[str],
    *,
    recipe: str,
    imports: Sequence[str],
    named_run: bool,
    trust: bool = False,
) -> tuple[Config[TrainConfig], Subject | None]:
    """The configuration of a file, a recipe, or a network trained with a recipe, and that network; the run folder is a fresh one
    unless it is named.
    """
    from plainnet.engine.run.registry import load_module
    from plainnet.engine.run.schema import recipes
    from plainnet.engine.run.training_run import load_config

    for name in imports:  # before a structure is read: it may be made of blocks that they hold
        load_module(name)
    known, text, overrides = recipes(), str(what), tuple(overrides)
    subject: Subject | None = None
    source: Path | dict[str, Any]
    if isinstance(what, (str, Path)) and text in known:
        source, name = known[text], text
    elif isinstance(what, (str, Path)) and _is_configuration(text):
        source, name = Path(text), Path(text).stem
    else:
        if recipe not in known:
            near = nearest(recipe, known)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"there is no recipe {recipe}{hint}; known: {', '.join(known)}")
        subject = _as_trained(_resolved(what, known, trust=trust, imports=imports))
        source, name = _source(subject, recipe), subject.name or subject.label.lstrip("#")
    if not named_run and not any(item.startswith("run=") for item in overrides) and not _says_run(source):
        overrides = (*overrides, f"run={json.dumps(str(fresh_folder(Path('runs'), name)))}")
    return load_config(source, overrides=overrides, imports=imports), subject


def _resolved(what: Any, recipes: Iterable[str], *, trust: bool, imports: Sequence[str]) -> Subject:
    """The network; a name of none may be that of a recipe with a typo."""
    try:
        return resolve(what, trust=trust, imports=imports)
    except UnknownNetworkError as error:
        near = nearest(str(what), recipes)
        if near is None:
            raise
        raise UnknownNetworkError(f"{error}; did you mean the recipe {near}?") from None


def _is_configuration(text: str) -> bool:
    """Whether a text is the path of a configuration: YAML that holds no network, or Python that assigns one of its sections."""
    from plainnet.configs import assigns_any
    from plainnet.engine.run.schema import TrainConfig
    from plainnet.files.text_files import read_text

    if text.endswith(".py") and isfile(text):
        return assigns_any(read_text(Path(text)), {"_base_", *TrainConfig.model_fields})
    return text.endswith((".yaml", ".yml")) and not _holds_network(text)


def _holds_network(path: str) -> bool:
    """Whether a YAML file writes a structure or components down and is no training configuration: it has none of its sections."""
    from plainnet.blocks.formats.foreign import names_structures
    from plainnet.files.text_files import read_text

    if is_components_file(path):
        return True
    found = isfile(path) and "(" in (text := read_text(Path(path))) and names_structures(text)
    return found and not _has_sections(text)  # one that is written as JSON is Python, too


def _has_sections(text: str) -> bool:
    """Whether a YAML text is a mapping with a section of a training configuration."""
    from plainnet.configs import read_text
    from plainnet.engine.run.schema import TrainConfig

    value = read_text(text, "", problems=[]).value
    return isinstance(value, dict) and not value.keys().isdisjoint({"_base_", *TrainConfig.model_fields})


def _as_trained(subject: Subject) -> Subject:
    """Networks whose authors trained them with squeeze-excite are trained so."""
    if not subject.with_se:
        return subject
    return replace(subject, variant=Known(Variant(use_se=True), "published"), with_se=False)


def _source(subject: Subject, recipe: str) -> dict[str, Any]:
    """The recipe with the network in it."""
    model: dict[str, Any] = {"type": "PlainNet", "structure": str(subject.structure), "_delete_": True}
    if subject.structure is None:
        if not is_module_reference(subject.said):
            raise UsageError(
                f"{subject.said} holds a network that is no structure; to train it again: plainnet train its config.yaml"
            )
        model = {"type": subject.said, "_delete_": True}
    else:
        model |= subject.variant.value.options()
        if subject.norm_eps.value != NORM_EPS:
            model["norm_eps"] = subject.norm_eps.value
        if subject.weights is not None:
            model["weights"] = str(subject.weights.absolute())
    source: dict[str, Any] = {"_base_": recipe, "model": model}
    data = _digits(subject) if recipe == QUICK else {}
    return source | ({"data": data} if data else {})


def _digits(subject: Subject) -> dict[str, int]:
    """The digits as the network takes them: in its channels, and at the size at which it was found or trained."""
    channels, (height, width) = subject.in_channels.value, subject.size
    data = {"channels": channels} if channels != 1 else {}
    is_its_own = subject.resolution.source.startswith("from")
    return data | ({"size": height} if is_its_own and height == width and height in DIGITS and height != 8 else {})


def _says_run(source: Path | dict[str, Any]) -> bool:
    from plainnet.configs import read_file
    from plainnet.engine.run.schema import recipes

    tree = read_file(source, problems=[], named=recipes()) if isinstance(source, Path) else None
    return tree is not None and isinstance(tree.value, dict) and "run" in tree.value


def fresh_folder(parent: Path, name: str) -> Path:
    """A folder under `parent` that holds no run yet: name, name-2, name-3, ..."""
    stem = Path(name).stem
    number = 1
    while (folder := parent / (stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return folder

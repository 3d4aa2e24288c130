"""A network that somebody named, with all that goes with it, and where each of it came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from plainnet.blocks.rows.variants import PLAIN, Variant
from plainnet.blocks.structure import Structure
from plainnet.network.published import NORM_EPS, TRAINED_WITH_SE

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DEFAULT", "SAID", "Known", "Subject"]

DEFAULT = "default"
"""The source of what nobody said."""
SAID = "said"
"""The source of what the caller said."""
STRING = "from the string"


class Known(NamedTuple):
    """A value and its source: "said", "published", "from the run", "from the weights", "from the string", "default"."""

    value: Any
    source: str

    @property
    def is_default(self) -> bool:
        return self.source == DEFAULT

    def __str__(self) -> str:
        return f"({self.source})"


RESOLUTION, NUM_CLASSES = Known(224, DEFAULT), Known(1000, DEFAULT)
VARIANT, EPSILON = Known(PLAIN, DEFAULT), Known(NORM_EPS, DEFAULT)
"""What holds where nobody says anything."""


@dataclass(frozen=True)
class Subject:
    """A network: a structure, or a module that is none, and what is known of it.

    said: what it was called; form: what that is ("a search run").
    structure: None for a module that is no structure. module: where it is there already. build: makes the module
        that is no structure, with its weights.
    weights: the file of its trained weights, None for none. unread: where they are kept in a form that is read nowhere here (a
        graph), in words; "" otherwise.
    name: what it is called in tables and files; None for a bare string.
    resolution: R or (H, W). num_classes: outputs of the classifier, 0 for none. variant: a `plainnet.Variant`.
    norm_eps: epsilon of the batch norms. channels: of the input of a module that is no structure, where it is known.
    inputs: of a module that takes no image, as `--input` says them: ("input_ids=1x128:int64",).
    search: of a search run: run, rank, objective, seed and values, as `plainnet.export.Origin` takes them.
    with_se: whether its authors trained it with squeeze-excite, in which case the plain network is counted and a note says so.
    notes: what a reader should know of the reading.
    """

    said: str
    form: str
    structure: Structure | None = None
    module: nn.Module | None = None
    build: Callable[[], nn.Module] | None = None
    weights: Path | None = None
    unread: str = ""
    name: str | None = None
    resolution: Known = RESOLUTION
    num_classes: Known = NUM_CLASSES
    variant: Known = VARIANT
    norm_eps: Known = EPSILON
    channels: Known | None = None
    inputs: tuple[str, ...] = ()
    search: Mapping[str, Any] | None = None
    with_se: bool = False
    notes: tuple[str, ...] = ()

    @property
    def network(self) -> Structure | nn.Module:
        """The structure, or the module that is none, built if it is not there yet."""
        found = self.structure if self.structure is not None else self.module
        if found is not None:
            return found
        assert self.build is not None
        return self.build()

    @property
    def in_channels(self) -> Known:
        """Channels of the input."""
        if self.structure is None:
            return self.channels or Known(3, DEFAULT)
        return Known(self.structure.in_channels, STRING)

    @property
    def label(self) -> str:
        """A short name for tables: what it is called, or the hash of its structure."""
        if self.name is not None or self.structure is None:
            return self.name or self.said
        return f"#{self.structure.hash}"

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the input."""
        value = self.resolution.value
        return (value[0], value[1]) if isinstance(value, tuple) else (value, value)

    def saying(
        self,
        *,
        resolution: int | tuple[int, int] | None = None,
        num_classes: int | None = None,
        variant: Variant = PLAIN,
    ) -> Subject:
        """The same network with what the caller says; None, and the plain variant, say nothing."""
        said: dict[str, Any] = {}
        if resolution is not None:
            said["resolution"] = Known(resolution, SAID)
        if num_classes is not None:
            said["num_classes"] = Known(num_classes, SAID)
        if variant is not PLAIN and variant != PLAIN:
            said["variant"] = Known(replace(self.variant.value, **variant.options()), SAID)
        return replace(self, **said) if said else self

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and that the authors' network is another variant where it is."""
        with_note = self.with_se and not self.variant.value.use_se
        return (*self.notes, *([TRAINED_WITH_SE] if with_note else []))

    def line(self, *, sizes: bool = True) -> str:
        """In one line what was taken, and where each value came from.

        sizes: with the input, the classes and the variant.
        """
        mark = f" #{self.structure.hash}" if self.structure is not None and self.name is not None else ""
        found = [f"network {self.label}{mark}: {self.form}"]
        if self.weights is not None:
            found.append(f"weights {self.weights}")
        elif self.unread:
            found.append(f"without its weights {self.unread}")
        if sizes and self.inputs and self.resolution.is_default:
            found.append(f"input {', '.join(self.inputs)} ({DEFAULT})")
        elif sizes:
            height, width = self.size
            found.append(f"input {self.in_channels.value}x{height}x{width} {self.resolution}")
        if sizes and self.structure is not None:
            classes = self.num_classes.value
            found.append(f"{classes:,} classes {self.num_classes}" if classes else f"no classifier {self.num_classes}")
            if str(self.variant.value):
                found.append(f"{self.variant.value} {self.variant}")
        return ", ".join(found)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain data."""
        height, width = self.size
        size = {"value": [int(height), int(width)], "from": self.resolution.source}
        found: dict[str, Any] = {"said": self.name or self.label, "form": self.form, "resolution": size}
        found["in_channels"] = self.in_channels._asdict()
        if self.structure is not None:
            found["num_classes"] = {**self.num_classes._asdict(), "value": int(self.num_classes.value)}
            found["variant"] = {"value": self.variant.value.options(), "source": self.variant.source}
        for key in ("in_channels", "num_classes", "variant"):
            if key in found:
                found[key]["from"] = found[key].pop("source")
        return {**found, "weights": None if self.weights is None else str(self.weights)}

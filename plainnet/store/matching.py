"""Which tensor of a file becomes which tensor of a network: by its name, by rules, by order and shape; and what is left over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.errors import PlainnetError, UsageError, nearest
from plainnet.files.expressions import Expression, whole_matches
from plainnet.files.text_files import printable, read_text
from plainnet.results.result import Result, View

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LAYOUTS", "Matching", "match", "read_rules"]

Shape = tuple[int, ...]
Rule = Callable[[str], str | None]
"""The network's name of a tensor, None for one that a rule does not know."""
COUNTER = "num_batches_tracked"
"""What batch norms count, and nothing depends on; old files do not have it."""
SHOWN = 6
LONGEST = 120
"""Characters of a rule that a message shows."""


@dataclass(frozen=True)
class Matching(Result):
    """taken: network's name -> (file's name, how it was found).

    other_shape: (network's name, its shape, file's name, its shape). missing: of the network. skipped: of the file. fresh and
    left: those of them that somebody accounted for.
    """

    taken: Mapping[str, tuple[str, str]]
    other_shape: Sequence[tuple[str, Shape, str, Shape]]
    missing: Sequence[str]
    skipped: Sequence[str]
    fresh: Sequence[str]
    left: Sequence[str]

    def lines(self) -> list[str]:
        """What a reader is told, a line for each kind."""
        ways: dict[str, int] = {}
        for _, how in self.taken.values():
            ways[how] = ways.get(how, 0) + 1
        shapes = [
            f"{target} {list(a)} where the file has {source} {list(b)}" for target, a, source, b in self.other_shape
        ]
        return [
            f"loaded {len(self.taken)}" + (f" ({', '.join(f'{n} {how}' for how, n in ways.items())})" if ways else ""),
            *_listed("of another shape", shapes),
            *_listed("missing in the file", self.missing),
            *_listed("skipped, of no use here", self.skipped),
            *_listed("new, as was said", self.fresh),
            *_listed("left out, as was said", self.left),
        ]

    def view(self) -> View:
        """A line for each kind of tensors."""
        return View([("", printable(line)) for line in self.lines()])

    def records(self) -> list[Mapping[str, Any]]:
        """A record for each tensor: its name in the network and in the file (None where it is in one of them alone), and what
        became of it.
        """
        met = [(own, name, f"loaded {how}") for own, (name, how) in self.taken.items()]
        met += [(own, name, "of another shape") for own, _, name, _ in self.other_shape]
        ours = [
            (name, None, what) for names, what in ((self.missing, "missing"), (self.fresh, "fresh")) for name in names
        ]
        theirs = [
            (None, name, what) for names, what in ((self.skipped, "skipped"), (self.left, "left")) for name in names
        ]
        return [{"name": own, "from": name, "what": what} for own, name, what in (*met, *ours, *theirs)]

    def check(self, what: str) -> None:
        """`UsageError` where something is left over that nobody accounted for."""
        if self.other_shape or self.missing or self.skipped:
            ways = "--skip PATTERN for tensors of the file that are not needed, --fresh PATTERN for those that stay new"
            raise UsageError("\n  ".join([f"{what} does not fit; accepted: {ways}", *self.lines()]))

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "loaded": {target: {"from": source, "by": how} for target, (source, how) in self.taken.items()},
            "other_shape": [
                {"name": target, "shape": list(a), "from": source, "from_shape": list(b)}
                for target, a, source, b in self.other_shape
            ],
            "missing": list(self.missing),
            "skipped": list(self.skipped),
            "fresh": list(self.fresh),
            "left": list(self.left),
        }


def match(
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    *,
    rules: Rule | None = None,
    by_order: bool = False,
    skip: Sequence[str] = (),
    fresh: Sequence[str] = (),
) -> Matching:
    """The tensors of a file for those of a network: those of one name, then those that `rules` name, then, by_order, all that are
    left over in their order, where each pair has one last name and one shape (that of a linear layer is that of a 1x1
    convolution); where their order does not fit, with each unit's shortcut behind its branch.

    skip: patterns (*, ?) of names in the file that are left out. fresh: of names in the network that stay as they are.
    """
    _check_patterns("--skip", skip, source)
    _check_patterns("--fresh", fresh, target)
    left = [name for name in source if _any(name, skip)]
    kept = [name for name in target if _any(name, fresh)]
    offered = [name for name in source if name not in left]
    wanted = [name for name in target if name not in kept]
    taken, shapes = dict[str, tuple[str, str]](), list[tuple[str, Shape, str, Shape]]()
    unused = list[str]()
    for name in offered:
        own = name if name in target else rules(name) if rules is not None else None
        if own is None or own not in target or own in taken or own in kept:
            unused.append(name)
        elif tuple(source[name].shape) == tuple(target[own].shape):
            taken[own] = (name, "by name" if own == name else "by a rule")
        else:
            shapes.append((own, tuple(target[own].shape), name, tuple(source[name].shape)))
    found = {own for own, *_ in shapes} | taken.keys()
    missing = [name for name in wanted if name not in found]
    if by_order and missing and unused:
        pairs = _in_order(source, target, unused, missing)
        taken |= {own: (name, "by order and shape") for own, name in pairs.items()}
        unused = [name for name in unused if name not in pairs.values()]
        missing = [name for name in missing if name not in pairs]
    counters = [name for name in missing if name.endswith(COUNTER)]
    return Matching(
        taken,
        shapes,
        [name for name in missing if name not in counters],
        [name for name in unused if not name.endswith(COUNTER)],
        [*kept, *counters],
        [*left, *(name for name in unused if name.endswith(COUNTER))],
    )


def _in_order(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor], offered: Sequence[str], wanted: Sequence[str]
) -> dict[str, str]:
    """All of them in their order, or none: one that does not fit would shift those behind it."""
    ours = [name for name in wanted if not name.endswith(COUNTER)]
    theirs = [name for name in offered if not name.endswith(COUNTER)]
    if len(ours) != len(theirs):
        return {}
    for order in (theirs, _shortcuts_last(theirs)):
        pairs = dict(zip(ours, order, strict=True))
        if all(
            _as_convolution(source[name]) == _as_convolution(target[own])
            and name.rpartition(".")[2] == own.rpartition(".")[2]
            for own, name in pairs.items()
        ):
            return pairs
    return {}


def _as_convolution(tensor: Tensor) -> Shape:
    """Its shape, in which a matrix is a 1x1 convolution."""
    shape = tuple(tensor.shape)
    return (*shape, 1, 1) if len(shape) == 2 else shape


def _shortcuts_last(names: Sequence[str]) -> list[str]:
    """The names, where those of a unit's projection (`UNIT.proj.`, as RegNets have it) stand behind all others of the unit."""
    found: list[str] = []
    waiting: dict[str, list[str]] = {}
    for name in names:
        for unit in [unit for unit in waiting if not name.startswith(unit)]:
            found += waiting.pop(unit)
        unit, is_projection, _ = name.partition("proj.")
        if is_projection and unit.endswith("."):
            waiting.setdefault(unit, []).append(name)
        else:
            found.append(name)
    return [*found, *[name for held in waiting.values() for name in held]]


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_patterns(option: str, patterns: Sequence[str], names: Iterable[str]) -> None:
    known = list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in known):
            near = nearest(pattern, known)
            hint = f"; did you mean {near}?" if near else ""
            raise UsageError(f"{option} {pattern!r} matches no name{hint}; there are {', '.join(known[:SHOWN])}, ...")


def _listed(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"{len(names)} {what}: {', '.join(names[:SHOWN])}{more}"]


def _torchvision(name: str) -> str | None:
    from plainnet.network.torchvision_weights import from_torchvision

    try:
        return next(iter(from_torchvision({name: None})))  # type: ignore[dict-item]
    except PlainnetError:
        return None


LAYOUTS: dict[str, tuple[Rule | None, str]] = {
    "torchvision": (
        _torchvision,
        "ResNets of torchvision's: conv1, bn1, layer1-4, fc; its other networks of the published names by order and shape",
    ),
    "timm": (_torchvision, "ResNets of timm's, which have torchvision's names"),
    "zennas": (None, "the Zen-NAS authors' MasterNet: by order and shape"),
    "tinynas": (None, "TinyNAS's CnnNet, block_list and fc_linear: by order and shape"),
}
"""Layouts that ship: name -> (its rules, what it is). Without rules tensors are matched by order and shape."""


def read_rules(said: str | None, names: Sequence[str]) -> Rule | None:
    """The rules of a shipped layout, or of a file, for these names: a line for each, `PATTERN -> NAME`, a regular expression for
    the whole name in the file of weights and what it is called in the network, with \\1 for its first group; # begins a comment.
    The first that fits counts.
    """
    if said is None:
        return None
    if said in LAYOUTS:
        return LAYOUTS[said][0]
    path = Path(said)
    if not path.is_file():
        near = nearest(said, LAYOUTS)
        hint = f"; did you mean {near}?" if near else ""
        raise UsageError(f"there are no rules {said!r}; accepted: {', '.join(LAYOUTS)}, or a file with them{hint}")
    rules = []
    for number, line in enumerate(read_text(path, what="file of rules").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if text:
            pattern, arrow, name = (part.strip() for part in text.partition("->"))
            where = f"{path}, line {number}: {text[:LONGEST]!r}"
            if not arrow or not name:
                raise UsageError(f"{where}: accepted: PATTERN -> NAME")
            rules.append(Expression(pattern, name, where))
    if not rules:
        raise UsageError(f"{path} holds no rules; accepted: lines PATTERN -> NAME")
    named = {theirs: own for theirs, (_, own) in whole_matches(rules, names).items()}
    return named.get

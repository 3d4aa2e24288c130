"""Which tensor of a file becomes which tensor of a network: by its name, by rules, by order and shape; and what is left over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plainnet.errors import PlainnetError, UsageError, nearest
from plainnet.files.expressions import Expression, whole_matches
from plainnet.files.tensor_files import other_kinds
from plainnet.files.text_files import printable, read_text
from plainnet.results.result import Result, View
from plainnet.store.tensor_order import SCALES, as_made, as_run

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LAYOUTS", "Matching", "match", "read_rules"]

Shape = tuple[int, ...]
Taken = dict[str, tuple[str, str]]
OtherShape = tuple[str, Shape, str, Shape]
Rule = Callable[[str], str | None]
"""The network's name of a tensor, None for one that a rule does not know."""
COUNTER = "num_batches_tracked"
"""What batch norms count, and nothing depends on; old files do not have it."""
BY_NAME = "by name"
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
    other_shape: Sequence[OtherShape]
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

    def check(self, what: str, notes: Sequence[str] = ()) -> None:
        """`UsageError` where something is left over that nobody accounted for; notes: what else there is to say of it."""
        if self.other_shape or self.missing or self.skipped:
            ways = "--skip PATTERN for tensors of the file that are not needed, --fresh PATTERN for those that stay new"
            raise UsageError("\n  ".join([f"{what} does not fit; accepted: {ways}", *self.lines(), *notes]))

    def check_kinds(self, what: str, source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
        """`UsageError` for tensors of the file that torch would load as other numbers."""
        if kinds := other_kinds({own: source[name] for own, (name, _) in self.taken.items()}, target):
            raise UsageError(f"{what} does not fit: {', '.join(_listed('of another type', kinds))}")

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
    is_ordered: bool = True,
    skip: Sequence[str] = (),
    fresh: Sequence[str] = (),
) -> Matching:
    """The tensors of a file for those of a network: those of one name, then those that `rules` name, then, by_order, all that are
    left over in their order, where each pair has one last name and one shape (a linear layer is the convolution over the whole
    map, and a scale of channels a weight); where their order does not fit, in that in which they run.

    is_ordered: False where the file keeps no order: it must follow from the names then.

    skip: patterns (*, ?) of names in the file that are left out. fresh: of names in the network that stay as they are.
    """
    _check_patterns("--skip", skip, source)
    _check_patterns("--fresh", fresh, target)
    left = [name for name in source if _any(name, skip)]
    kept = [name for name in target if _any(name, fresh)]
    offered = [name for name in source if name not in left]
    wanted = [name for name in target if name not in kept]
    taken, shapes = _by_name(source, target, offered, wanted, rules)
    if by_order:
        taken, shapes = _with_order(source, target, offered, wanted, taken, shapes, is_ordered=is_ordered)
    missing = [name for name in wanted if name not in taken and name not in {own for own, *_ in shapes}]
    met = {name for name, _ in taken.values()} | {name for _, _, name, _ in shapes}
    unused = [name for name in offered if name not in met]
    counters = [name for name in missing if name.endswith(COUNTER)]
    return Matching(
        taken,
        shapes,
        [name for name in missing if name not in counters],
        [name for name in unused if not name.endswith(COUNTER)],
        [*kept, *counters],
        [*left, *(name for name in unused if name.endswith(COUNTER))],
    )


def _by_name(
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    offered: Sequence[str],
    wanted: Sequence[str],
    rules: Rule | None,
) -> tuple[Taken, list[OtherShape]]:
    """What has one name in both, or one by a rule: of one shape, and of two."""
    taken, shapes = Taken(), list[OtherShape]()
    there = set(wanted)
    for name in offered:
        own = name if name in target else rules(name) if rules is not None else None
        if own is None or own not in there or own in taken:
            continue
        if tuple(source[name].shape) == tuple(target[own].shape):
            taken[own] = (name, BY_NAME if own == name else "by a rule")
        else:
            shapes.append((own, tuple(target[own].shape), name, tuple(source[name].shape)))
    return taken, shapes


def _with_order(
    source: Mapping[str, Tensor],
    target: Mapping[str, Tensor],
    offered: Sequence[str],
    wanted: Sequence[str],
    taken: Taken,
    shapes: list[OtherShape],
    *,
    is_ordered: bool,
) -> tuple[Taken, list[OtherShape]]:
    """The same, and the others by order and shape. Where some are left over, a name that both have says little (timm, too, calls
    its stages blocks.0, blocks.1, ...): it counts only where the order of all does not fit.
    """
    ruled = {own: pair for own, pair in taken.items() if pair[1] != BY_NAME or own.endswith(COUNTER)}
    for sure, wrong in ((ruled, [each for each in shapes if each[0] != each[2]]), (taken, shapes)):
        theirs = {name for name, _ in sure.values()} | {name for _, _, name, _ in wrong}
        ours = sure.keys() | {own for own, *_ in wrong}
        left = [name for name in offered if name not in theirs and not name.endswith(COUNTER)]
        missing = [name for name in wanted if name not in ours and not name.endswith(COUNTER)]
        if sure is ruled and {*left} == {*missing}:
            continue
        order = left if is_ordered else as_made(left) or []
        pairs = _in_order(source, target, order, missing)
        if pairs:
            found = {own: (name, BY_NAME if own == name else "by order and shape") for own, name in pairs.items()}
            return sure | found, wrong
    return taken, shapes


def _in_order(
    source: Mapping[str, Tensor], target: Mapping[str, Tensor], offered: Sequence[str], wanted: Sequence[str]
) -> dict[str, str]:
    """All of them in their order, or none: one that does not fit would shift those behind it."""
    if len(wanted) != len(offered):
        return {}
    for order in (offered, as_run(offered)):
        pairs = dict(zip(wanted, order, strict=True))
        if all(
            _are_the_same_weights(tuple(source[name].shape), tuple(target[own].shape))
            and _kind(name) == own.rpartition(".")[2]
            for own, name in pairs.items()
        ):
            return pairs
    return {}


def _kind(name: str) -> str:
    """The last part of a name, where a scale of channels is the weight that it is here."""
    last = name.rpartition(".")[2]
    return "weight" if last in SCALES else last


def _are_the_same_weights(theirs: Shape, ours: Shape) -> bool:
    """Whether shapes are equal or two ways to write one layer: a matrix and the convolution whose window is the whole map, a
    factor for each channel as (C,) and (C, 1, 1).
    """
    short, long = sorted((theirs, ours), key=len)
    if (len(short), len(long)) == (2, 4):
        return short == (long[0], math.prod(long[1:]))
    return short == long or (len(short) == 1 and long == (*short, 1, 1))


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

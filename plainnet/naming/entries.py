"""`plainnet.analyze_model`, `score` and `score_all`: the functions of the rooms below, for networks named in any way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from os import PathLike
from typing import Any, TypeVar, cast

from plainnet.blocks.rows.memo import BoundedMemo
from plainnet.blocks.rows.variants import PLAIN, Variant, as_variant
from plainnet.errors import UsageError
from plainnet.naming.resolver import resolve
from plainnet.naming.subject import Known, Subject
from plainnet.profiler import analyze as profiler
from plainnet.profiler.analysis import Analysis
from plainnet.proxies import score as proxies
from plainnet.proxies.catalogue import find_proxy
from plainnet.proxies.contract import Proxy
from plainnet.proxies.score_record import Score, Scores
from plainnet.proxies.shipped import DEFAULT

__all__ = ["analyze_model", "analyze_subject", "common", "score", "score_all", "with_known_inputs"]

F = TypeVar("F", bound=Callable[..., Any])
Network = Any
"""Whatever `plainnet.resolve` takes."""
VARIANTS = ("use_se", "no_reslink", "no_bn", "activation")


def _is_named(network: object) -> bool:
    """Whether a network is named by a text, or resolved already; other values are handed down as they are."""
    return isinstance(network, (str, PathLike, Subject))


def _of_any(function: F) -> Callable[[Callable[..., Any]], F]:
    """A function of a network (or of several) with the signature and the text of the one in a lower room."""

    def decorate(own: Callable[..., Any]) -> F:
        made = wraps(function)(own)
        made.__module__ = "plainnet"
        return cast(F, made)

    return decorate


@_of_any(profiler.analyze_model)
def analyze_model(structure: Network, **settings: Any) -> Analysis:
    if not _is_named(structure):
        return profiler.analyze_model(structure, **settings)
    limits = {"limits": settings["limits"]} if "limits" in settings else {}
    subject = resolve(structure, **limits)
    said = _said_variant(settings)
    if subject.structure is None:
        return analyze_subject(subject, variant=said, **settings)
    size, classes = settings.pop("resolution", None), settings.pop("num_classes", None)
    return analyze_subject(subject.saying(resolution=size, num_classes=classes, variant=said), **settings)


def analyze_subject(subject: Subject, *, variant: Variant = PLAIN, **settings: Any) -> Analysis:
    """The analysis of a network that was resolved; `settings` are further ones of `analyze_model`.

    variant: of a module, which has none, so that asking for one is an error.
    """
    if subject.structure is None:
        network = subject.network
        result = profiler.analyze_model(network, variant=variant, **with_known_inputs(subject, network, settings))
    else:
        result = profiler.analyze_model(
            subject.structure,
            resolution=subject.resolution.value,
            num_classes=subject.num_classes.value,
            variant=subject.variant.value,
            **settings,
        )
    notes = [*result.notes, *subject.remarks]
    return result.changed(name=subject.name, notes=notes, network=subject.as_dict())


def with_known_inputs(subject: Subject, module: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings with the inputs that are known of a module, where the caller says none."""
    if settings.get("inputs") is not None or settings.get("kwargs") is not None:
        return settings
    said = any(settings.get(name) is not None for name in ("resolution", "in_channels"))
    if subject.inputs and not said and subject.resolution.is_default:
        from plainnet.network.counting.module_inputs import arguments_of

        return {**settings, **arguments_of(module, subject.inputs)}
    known: dict[str, Any] = {}
    if settings.get("resolution") is None and not subject.resolution.is_default:
        known["resolution"] = subject.resolution.value
    if settings.get("in_channels") is None and subject.channels is not None:
        known["in_channels"] = subject.channels.value
    return {**settings, **known}


_exact: BoundedMemo[tuple[Any, ...], tuple[Subject, Proxy, Score]] = BoundedMemo(1_000)
"""A network string, the name of a proxy and plain settings -> the score, where it is exact: it would be the same again. It is
that of one reading of the string and of one proxy, and no other one's.
"""
_PLAIN = frozenset({str, int, float, bool, type(None)})


@_of_any(proxies.score)
def score(network: Network, proxy: Any = DEFAULT, **settings: Any) -> Score:
    kinds = tuple(map(type, settings.values()))
    if type(network) is not str or type(proxy) is not str or not _PLAIN.issuperset(kinds):
        return score_all([network], proxy, **settings)[0]
    subject, made = resolve(network), find_proxy(proxy)
    key = (network, proxy, kinds, *settings.items())
    known = _exact.get(key)
    if known is not None and known[0] is subject and known[1] is made:
        return _another(known[2])
    networks: list[Any] = [subject]
    found = score_all(networks, proxy, **settings)[0]
    if found.exact and resolve(network) is subject:  # a file or a run may hold something else when it is named again
        _exact[key] = (subject, made, _another(found))
    return found


def _another(found: Score) -> Score:
    """An equal score: what somebody does to its dicts is not done to others."""
    settings = {name: {**value} if type(value) is dict else value for name, value in found.settings.items()}
    return Score(
        found.proxy, found.values, found.higher_is_better, found.exact, found.seconds, settings,
        found.structure, found.hash, {**found.parts}, found.notes,
    )  # fmt: skip


@_of_any(proxies.score_all)
def score_all(networks: Sequence[Network], proxy: Any = DEFAULT, **settings: Any) -> Scores:
    if isinstance(networks, (str, PathLike)):
        raise UsageError("score_all takes a list of networks: [network]; score takes one")
    if not any(map(_is_named, networks)):
        return proxies.score_all(networks, proxy, **settings)
    subjects = [resolve(network) if _is_named(network) else network for network in networks]
    named = [subject for subject in subjects if isinstance(subject, Subject)]
    zen = settings.pop("variant") if isinstance(settings.get("variant"), str) else None
    said = _said_variant(settings)
    known = common([subject.saying(variant=said) for subject in named], settings, all_named=len(named) == len(networks))
    own = {} if zen is None else {"variant": zen}
    values = [subject.network if isinstance(subject, Subject) else subject for subject in subjects]
    found = proxies.score_all(values, proxy, **{**settings, **known, **own})
    remarks = [subject.remarks if isinstance(subject, Subject) else () for subject in subjects]
    return Scores(
        replace(one, notes=(*told, *one.notes)) if told else one for one, told in zip(found, remarks, strict=True)
    )


def common(subjects: Sequence[Subject], settings: dict[str, Any], *, all_named: bool = True) -> dict[str, Any]:
    """What networks that are scored together have in common, where `settings` do not say it: resolution, num_classes and the
    options of the variant.

    all_named: whether these are all that are scored. Raises `UsageError` where they differ.
    """
    found: dict[str, Any] = {}
    structures = [subject for subject in subjects if subject.structure is not None]
    if settings.get("resolution") is None and settings.get("images") is None:
        known = [subject for subject in subjects if subject.structure is not None or not subject.resolution.is_default]
        if known:
            found["resolution"] = _one("resolution", [subject.resolution for subject in known])
    asks = settings.get("num_classes") is None and settings.get("labels") is None
    if asks and structures and all_named and len(structures) == len(subjects):
        found["num_classes"] = _one("num_classes", [subject.num_classes for subject in structures])
    if structures:
        found |= _one("variant", [subject.variant for subject in structures]).options()
    return found


def _one(name: str, known: Sequence[Known]) -> Any:
    """The value that all have."""
    if len(known) == 1:
        return known[0].value
    what = {"resolution": "sizes", "num_classes": "numbers of classes"}.get(name, f"{name}s")
    values = list(dict.fromkeys(each.value for each in known))
    if len(values) > 1:
        shown = ", ".join(str(value) or "plain" for value in sorted(values, key=_order))
        option = "" if name == "variant" else f" (on the command line: --{name.replace('_', '-')})"
        raise UsageError(f"these networks are for different {what}, {shown}; accepted: {name}=... for all{option}")
    return values[0]


def _order(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple) else (value if isinstance(value, int) else str(value),)


def _said_variant(settings: dict[str, Any]) -> Variant:
    """Take the variant out of the settings."""
    options = {name: settings.pop(name) for name in VARIANTS if name in settings}
    return as_variant(settings.pop("variant", None), **options)

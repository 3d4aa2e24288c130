"""`plainnet.score`: a network's worth under a proxy, with its uncertainty."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from plainnet.blocks.rows.variants import Variant, as_variant
from plainnet.errors import PlainnetError, UsageError
from plainnet.proxies.catalogue import find_proxy
from plainnet.proxies.contract import Proxy, check_options
from plainnet.proxies.score_record import Score, Scores, mean_parts
from plainnet.proxies.seeds import derived_seed
from plainnet.proxies.shipped import DEFAULT
from plainnet.proxies.subject import Request, Subject, as_subject, check_strides

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["score", "score_all", "score_function"]

Size = int | tuple[int, int]


def score_all(
    networks: Sequence[Any],
    proxy: str | Proxy = DEFAULT,
    *,
    resolution: Size | None = None,
    batch: int = 16,
    repeats: int = 4,
    seed: int = 0,
    device: str | torch.device | None = None,
    images: Tensor | None = None,
    labels: Tensor | str | None = None,
    num_classes: int | None = None,
    in_channels: int = 3,
    init: str | None = None,
    variant: Variant | str | None = None,
    use_se: bool = False,
    no_reslink: bool = False,
    no_bn: bool = False,
    activation: str = "relu",
    **options: Any,
) -> Scores:
    """The scores of several networks, in their order; a proxy of ranks (az_nas) ranks them among each other.

    The arguments are those of `score`, which says what each is.
    """
    made = find_proxy(proxy) if isinstance(proxy, str) else proxy
    if isinstance(variant, str):
        options["variant"], variant = variant, None
    network_variant = as_variant(variant, use_se=use_se, no_reslink=no_reslink, no_bn=no_bn, activation=activation)
    subjects = [as_subject(network, network_variant, in_channels) for network in networks]
    if resolution is None and images is None:
        resolution = _common(subjects, "resolution", 224)
    if num_classes is None and labels is None:
        num_classes = _common(subjects, "num_classes", 1000)
    request = Request(
        resolution=resolution, batch=batch, repeats=repeats, seed=seed, device=device, images=images, labels=labels,
        num_classes=num_classes, init=init, options=options,
    )  # fmt: skip
    request.check(made)
    for subject in subjects:
        check_options(made, options, of_module=subject.structure is None)
        check_strides(subject, request.size)
    records = [_values(made, subject, request) for subject in subjects]
    if made.combine is not None:
        _combine(made, records)
    return Scores(_as_score(made, subject, request, record) for subject, record in zip(subjects, records, strict=True))


def score(network: Any, proxy: str | Proxy = DEFAULT, **settings: Any) -> Score:
    """The score of a network under a proxy: the mean of `repeats` values with its standard error and confidence interval.

        plainnet.score("SuperConvK3BNRELU(3,8,1,1)SuperConvK3BNRELU(8,8,1,1)", "naswot", resolution=32, repeats=8)

    network: a string, the name of a published network, a structure, or any `nn.Module`. Of a structure each repeat draws
        new weights; a module is scored with the weights that it has (zen_mc draws its own), and left exactly as it was
        found.
    proxy: a name (`plainnet.proxies.known_proxies()`), or a `Proxy`. The default, composite, ranks trained networks best of those
        that ship (docs/proxies.md); it is of structures, and for a module a proxy has to be named.
    resolution: R or (H, W); that of `images` if they are given, as published for names, 224 otherwise.
    repeats: a proxy that is exact (a count, a closed form) has one.
    seed: the same seed gives the same score in any process; each repeat's own seed follows from it, from the structure and
        from the number of the repeat.
    device: a module's own by default, the CPU for structures.
    images: (M, C, H, W), of which each repeat takes `batch` at random; noise from N(0, 1) by default.
    labels: (M,) classes of the images; "random" for random ones; None suffices for most proxies.
    num_classes: the classifier that a structure gets; by default what the labels ask for, or as published for
        names, 1000 otherwise.
    in_channels: of a module that is no structure.
    init: how a structure's weights are initialised (`plainnet.network.initialization`); by default as the proxy declares.
    variant, or use_se, no_reslink, no_bn, activation: of a structure, see `plainnet.Variant`.
    options: the proxy's own, such as gamma; a `variant` that is a word ("zennas") is the Zen-score's.

    Raises `UsageError` (an unknown proxy or option, labels that are missing, a device that is not there, a module that does
    not run) and `StructureError`. Results that are NaN or infinite are reported as such.
    """
    return score_all([network], proxy, **settings)[0]


_signature = inspect.signature(score_all)
score.__signature__ = _signature.replace(  # type: ignore[attr-defined]
    parameters=[*inspect.signature(score).parameters.values()][:2] + [*_signature.parameters.values()][2:],
    return_annotation="Score",
)


def _common(subjects: Sequence[Subject], name: str, otherwise: int) -> Any:
    """What is known of all networks that were named; `otherwise` for those of which nothing is."""
    found = {_value(one, name, otherwise) for one in subjects} or {otherwise}
    if len(found) > 1:
        raise UsageError(
            f"these networks are for different {name}s, {sorted(found, key=str)}; accepted: {name}=... for all"
        )
    return found.pop()


def _value(subject: Subject, name: str, otherwise: int) -> Any:
    value = getattr(subject.named, name, None)
    return otherwise if value is None else value


def score_function(proxy: str | Proxy, **settings: Any) -> Callable[[Any], float]:
    """A proxy as a function of one network, the mean of its score: what a search or a validation calls.

    The settings are those of `score`.
    """
    made = find_proxy(proxy) if isinstance(proxy, str) else proxy
    return lambda network: score(network, made, **settings).mean


class _Record:
    """The repeats of one network: values, or the parts that values will be made of."""

    def __init__(self, exact: bool) -> None:
        self.exact, self.seconds = exact, 0.0
        self.values: list[float] = []
        self.parts: list[dict[str, float]] = []


def _values(made: Proxy, subject: Subject, request: Request) -> _Record:
    if made.is_exact and subject.structure is not None:
        return _exact(made, subject, request)
    exact = made.is_exact or not (subject.structure is not None or subject.is_random(made))
    seeds = [derived_seed(request.seed, subject.identity, k) for k in range(1 if exact else request.repeats)]
    record = _Record(exact)
    start = perf_counter()
    inputs = made.inputs(of_module=subject.structure is None)
    groups = [seeds] if "seeds" in inputs else [[seed] for seed in seeds]
    for group in groups:
        found = _call(made, subject, request, group)
        for value in found if "seeds" in inputs else [found]:
            _enter(record, made, value)
    record.seconds = perf_counter() - start
    return record


def _exact(made: Proxy, subject: Subject, request: Request) -> _Record:
    """The one value of a count or a closed form: nothing is drawn, and nothing has to be put back."""
    record = _Record(exact=True)
    start = perf_counter()
    _enter(record, made, _call(made, subject, request, None))
    record.seconds = perf_counter() - start
    return record


def _call(made: Proxy, subject: Subject, request: Request, seeds: list[int] | None) -> Any:
    """The proxy's function on one network, errors of others' code given a place. seeds: None where it draws nothing."""
    try:
        if seeds is None:
            return made.function(**subject.plain_arguments(made, request), **request.options)
        with subject.arguments(made, request, seeds) as (function, arguments):
            return function(**arguments, **request.options)
    except PlainnetError:
        raise
    except Exception as error:
        if _out_of_memory(error):
            raise UsageError(
                f"{made.name} on {subject.name}: not enough memory; accepted: a smaller batch or resolution"
            ) from error
        if subject.structure is not None and made.function.__module__.startswith("plainnet."):
            raise
        raise UsageError(
            f"{made.name} cannot be worked out on {subject.name}: {type(error).__name__}: {error}"
        ) from error


def _out_of_memory(error: Exception) -> bool:
    """Whether torch could not get memory: it says so in an exception of its own, or, on the CPU, in words."""
    return isinstance(error, MemoryError) or any(
        words in str(error) for words in ("out of memory", "can't allocate memory", "not enough memory")
    )


def _enter(record: _Record, made: Proxy, value: Any) -> None:
    try:
        if made.combine is not None:
            record.parts.append({name: float(part) for name, part in value.items()})
        else:
            record.values.append(float(value))
    except (TypeError, ValueError, AttributeError, RuntimeError):
        wanted = "parts by name" if made.combine else "a number"
        raise UsageError(f"the proxy {made.name} returned {value!r}; accepted: {wanted}") from None


def _combine(made: Proxy, records: Sequence[_Record]) -> None:
    """Values from the parts of all networks, repeat by repeat."""
    assert made.combine is not None
    for parts in zip(*(record.parts for record in records), strict=True):
        for record, value in zip(records, made.combine(parts), strict=True):
            record.values.append(value)


def _as_score(made: Proxy, subject: Subject, request: Request, record: _Record) -> Score:
    settings: Mapping[str, Any] = {
        "resolution": request.size,
        "batch": request.batch,
        "seed": request.seed,
        "device": str(subject.device_name(request)),
        "network": subject.network.options(),
        **({} if made.version is None else {"version": made.version}),
        **request.options,
    }
    return Score(
        made.name, tuple(record.values), made.higher_is_better, record.exact, record.seconds, dict(settings),
        None if subject.structure is None else subject.structure.text,
        None if subject.structure is None else subject.structure.hash,
        mean_parts(record.parts), tuple(_notes(made, subject, record)),
    )  # fmt: skip


def _notes(made: Proxy, subject: Subject, record: _Record) -> list[str]:
    notes = list(subject.reading)
    if made.name == "zen_mc" and subject.structure is None:
        notes.append("residual links are kept: a module does not tell which they are")
    if not record.exact and len(record.values) == 1:
        notes.append("one repeat: there is no confidence interval")
    odd = [value for value in record.values if value != value or value in (float("inf"), float("-inf"))]
    if odd:
        notes.append(f"{len(odd)} of {len(record.values)} values are not finite")
    return notes

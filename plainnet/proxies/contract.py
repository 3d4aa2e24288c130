"""What a proxy is, and which there are.

A proxy is a function that gives a number for a network. The names of its parameters say what it needs (`INPUTS`); other
keyword parameters with defaults are its options. One decorator makes it known:

    from plainnet.proxies import proxy

    @proxy(cost="1 forward")
    def feature_spread(module, images, *, power=1.0):
        "The standard deviation of what the network puts out."
        return float(module(images).detach().std() ** power)
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from plainnet.errors import RegistrationError, UsageError, nearest
from plainnet.proxies.shipped import SHIPPED

__all__ = ["INPUTS", "Proxy", "proxy", "register"]

Value = float | Mapping[str, float]
ProxyFunction = Callable[..., Any]

INPUTS = {
    "structure": "the network as a value, a `plainnet.Structure`",
    "table": "the network at its input size, in its variant: a `plainnet.blocks.network_table.NetworkTable`",
    "resolution": "the input size, R or (H, W)",
    "network": "the variant of the whole network, a `plainnet.Variant`",
    "num_classes": "the classifier's outputs",
    "module": "the network as an `nn.Module` in training mode without dropout, on its device; it may be changed at will",
    "images": "a batch of images or of noise, (N, C, H, W)",
    "labels": "the classes of the images, (N,)",
    "input_shape": "the shape of one image, (C, H, W)",
    "batch": "the number of images",
    "seed": "an integer from the run's seed, the network and the repeat: all that is random should follow from it",
    "seeds": "the seeds of all repeats; the function then returns a list with one number for each",
    "device": "a `torch.device`",
}
"""The parameters that a proxy's function can have, and what it then gets."""

_KINDS = {"structure": "string", "table": "string", "module": "module", "images": "images", "labels": "labels"}
_RANDOM = {"module", "images", "labels", "seed", "seeds"}


@dataclass(frozen=True)
class Proxy:
    """A function that gives a number for a network, and what there is to know about it."""

    name: str
    function: ProxyFunction
    """returns a number, or with `combine` the parts that it is put together from"""
    higher_is_better: bool = True
    cost: str = ""
    """the passes through the network, such as "1 forward, 1 backward" """
    init: str = "kaiming"
    """how the weights of a network given as a string are initialised (`plainnet.network.initialization`)"""
    batches: int = 1
    """how many batches its images are"""
    of_module: ProxyFunction | None = None
    """the function for modules that are no structure, where `function` needs one"""
    combine: Callable[[Sequence[Mapping[str, float]]], list[float]] | None = None
    """scores from the parts of all networks that are scored together (a proxy made of ranks)"""
    version: int | None = None
    """which definition the name means, where there has been more than one; its function has an option `version`"""

    @cached_property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def inputs(self, *, of_module: bool = False) -> tuple[str, ...]:
        """The parameters that are filled in, out of `INPUTS`."""
        return self._inputs[of_module]

    def options(self, *, of_module: bool = False) -> tuple[str, ...]:
        """The parameters that are the user's to set."""
        return self._options[of_module]

    @cached_property
    def _inputs(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The inputs of the function for structures, and of that for modules."""
        first, second = (
            tuple(name for name in _parameters(self._function(of_module)) if name in INPUTS)
            for of_module in (False, True)
        )
        return first, second

    @cached_property
    def _options(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        first, second = (
            tuple(name for name in _parameters(self._function(of_module)) if name not in INPUTS)
            for of_module in (False, True)
        )
        return first, second

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Out of "string", "module", "images", "labels"."""
        return tuple(dict.fromkeys(_KINDS[name] for name in INPUTS if name in _KINDS and name in self.inputs()))

    @cached_property
    def is_exact(self) -> bool:
        """A count or a closed form: nothing about it is random."""
        return not _RANDOM.intersection(self.inputs())

    def _function(self, of_module: bool) -> ProxyFunction:
        return self.of_module if of_module and self.of_module is not None else self.function


def _parameters(function: ProxyFunction) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(function).parameters


_registered: dict[str, Proxy] = {}


def register(made: Proxy, *, reserved: Mapping[str, str] | None = None) -> Proxy:
    """Enter a proxy under its name; `RegistrationError` if the name is another's, or the function asks for what there is
    not. `reserved`: names that belong to a module.
    """
    if not callable(made.function):
        raise RegistrationError(f"the proxy {made.name} is no function")
    for function in filter(None, (made.function, made.of_module)):
        _check_parameters(made.name, function)
    old = _registered.get(made.name)
    owner = (reserved or {}).get(made.name)
    here = (made.function.__module__, made.function.__qualname__)
    if old is not None and (old.function.__module__, old.function.__qualname__) != here:
        owner = old.function.__module__
    if owner not in (None, here[0]):
        raise RegistrationError(
            f"the proxy name {made.name} is taken by {owner}; give {here[0]}.{here[1]} another name"
        )
    _registered[made.name] = made
    return made


def registered() -> Mapping[str, Proxy]:
    """What has been registered so far, by name."""
    return _registered


def _check_parameters(name: str, function: ProxyFunction) -> None:
    for parameter in _parameters(function).values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise RegistrationError(f"the proxy {name}: parameters have names, and {parameter} has none of its own")
        if parameter.name not in INPUTS and parameter.default is parameter.empty:
            near = nearest(parameter.name, INPUTS)
            hint = f"; did you mean {near}?" if near else ""
            raise RegistrationError(
                f"the proxy {name} asks for {parameter.name!r}; accepted: {', '.join(INPUTS)}, "
                f"and options with a default{hint}"
            )


@overload
def proxy(function: ProxyFunction) -> ProxyFunction: ...


@overload
def proxy(
    *,
    name: str | None = None,
    cost: str = "",
    higher_is_better: bool = True,
    init: str = "kaiming",
    batches: int = 1,
    of_module: ProxyFunction | None = None,
    combine: Callable[[Sequence[Mapping[str, float]]], list[float]] | None = None,
    version: int | None = None,
) -> Callable[[ProxyFunction], ProxyFunction]: ...


def proxy(function: ProxyFunction | None = None, *, name: str | None = None, **declaration: Any) -> Any:
    """Make a function known as a proxy, under its own name or `name`; the function stays as it is.

    The declaration's other arguments are the fields of `Proxy`.
    """

    def enter(function: ProxyFunction) -> ProxyFunction:
        register(Proxy(name or function.__name__, function, **declaration), reserved=SHIPPED)
        return function

    return enter if function is None else enter(function)


def check_options(made: Proxy, options: Mapping[str, Any], *, of_module: bool = False) -> None:
    """`UsageError` if one of the options is not the proxy's."""
    if not options:
        return
    known = made.options(of_module=of_module)
    for option in options:
        if option not in known:
            near = nearest(option, known)
            hint = f"; did you mean {near}?" if near else ""
            accepted = ", ".join(known) or "none"
            raise UsageError(f"{made.name} has no option {option!r}; accepted: {accepted}{hint}")

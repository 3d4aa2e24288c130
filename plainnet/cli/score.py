"""`plainnet score`: networks ranked by proxies."""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from plainnet.cli.completion import a_network, a_proxy
from plainnet.cli.network_options import NETWORK, network_options, pop_variant, take_networks
from plainnet.cli.screen import full_option
from plainnet.errors import UsageError
from plainnet.proxies.catalogue import find_proxy, known_proxies, load_proxies
from plainnet.proxies.contract import Proxy
from plainnet.proxies.shipped import DEFAULT
from plainnet.results.tables import terminal_width

if TYPE_CHECKING:
    from plainnet.naming import Subject

__all__ = ["score_command"]


def _load(ctx: click.Context, param: click.Parameter, paths: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    for path in paths:
        load_proxies(path)
    return paths


def _list(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:  # noqa: ARG001
    if wanted:
        from plainnet.cli.score_report import proxy_table
        from plainnet.cli.screen import show

        show(proxy_table([find_proxy(name) for name in known_proxies()]))
        ctx.exit()


@click.command(name="score", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("networks", metavar=f"{NETWORK}...", nargs=-1, required=True, shell_complete=a_network)
@click.option(
    "--proxy",
    "names",
    default=DEFAULT,
    show_default=True,
    metavar="NAME[,NAME...]",
    shell_complete=a_proxy,
    help="See --list. composite ranks trained networks best of them (plainnet validate --set all); zen is what published "
    "searches use.",
)
@click.option(
    "--proxies", multiple=True, metavar="FILE", callback=_load, expose_value=False, is_eager=True,
    help="A Python file with proxies of your own (may be given several times).",
)  # fmt: skip
@click.option("--list", is_flag=True, callback=_list, expose_value=False, help="Show the proxies, and stop.")
@network_options
@click.option("--batch", type=click.IntRange(min=1), default=16, show_default=True, help="Images of one repeat.")
@click.option("--repeats", type=click.IntRange(min=1), default=4, show_default=True, help="Draws of weights and noise.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same scores.")
@click.option("--device", help="cpu, cuda, ... [default: a module's own, the CPU for structures]")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of torch.")
@click.option("--variant", help="Of the Zen-score: paper or zennas. [default: paper]")
@click.option("--data", metavar="FILE.npz", help="`images` (M, C, H, W) and `labels` (M,) in place of noise.")
@click.option("--labels", type=click.Choice(["random"]), help="Random labels, for proxies that need some.")
@click.option("--init", help="How a structure's weights are initialised. [default: as the proxy declares]")
@click.option("--option", "settings", multiple=True, metavar="NAME=VALUE", help="An option of a proxy's own.")
@full_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON (a versioned schema).")
def score_command(networks: tuple[str, ...], names: str, as_json: bool, is_full: bool, **options: Any) -> None:
    """Rank networks by proxies: means with 95 % confidence intervals, and what these do not tell apart.

    A NETWORK is named in any way that `plainnet analyze` takes. A module (FILE.py:FUNCTION) is scored with the weights that
    it has; of a structure each repeat draws new ones, also where it was trained.
    """
    from plainnet.cli.score_report import as_record, render

    found = [find_proxy(name) for name in _split(names)]
    extra = _options(found, options)
    labels, subjects, settings = _subjects(networks, options)
    results = [(made, _scores(made, subjects, extra, settings)) for made in found]
    if as_json:
        record = {**as_record(results, labels), "networks": [subject.as_dict() for subject in subjects]}
        click.echo(json.dumps(record, indent=2, allow_nan=False))
    else:
        click.echo(render(results, labels, width=None if is_full else terminal_width()))


def _split(names: str) -> list[str]:
    found = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    if not found:
        raise UsageError(f"--proxy {names!r} names no proxy; accepted: {', '.join(known_proxies())}")
    return found


def _options(proxies: Sequence[Proxy], options: dict[str, Any]) -> dict[str, Any]:
    """The proxies' own options; each has to be known to one of them at least."""
    variant = {} if options["variant"] is None else {"variant": options["variant"]}
    return proxy_options(proxies, options["settings"], variant)


def proxy_options(
    proxies: Sequence[Proxy], settings: Sequence[str], extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The options that `--option NAME=VALUE` gives, and `extra`; `UsageError` for one that none of the proxies has."""
    extra = dict(extra or {})
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign or not name.isidentifier():
            raise UsageError(f"--option {setting!r} cannot be read; accepted: NAME=VALUE, such as gamma=0.02")
        try:
            extra[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            extra[name] = value
    known = {option for made in proxies for option in made.options()}
    for name in extra:
        if name not in known:
            accepted = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"{', '.join(made.name for made in proxies)} ha{'s' if len(proxies) == 1 else 've'} no option {name!r}; "
                f"accepted: {accepted}"
            )
    return extra


def _subjects(networks: Sequence[str], options: dict[str, Any]) -> tuple[list[str], list[Subject], dict[str, Any]]:
    """What each network is called, the networks, and the settings that they are scored with."""
    from plainnet.naming.entries import common

    said = {"resolution": options["resolution"], "num_classes": options["num_classes"], "variant": pop_variant(options)}
    subjects = take_networks(networks, trust=options["trust"], imports=options["imports"], **said)
    keywords = {name: options[name] for name in ("batch", "repeats", "seed", "device", "init")}
    if options["data"] is not None:
        from plainnet.proxies.sampled.data_file import read_data

        keywords["images"], keywords["labels"] = read_data(options["data"])
    keywords |= {name: options[name] for name in ("resolution", "num_classes") if options[name] is not None}
    keywords |= common(subjects, keywords)
    if options["labels"] is not None:
        keywords["labels"] = options["labels"]
    return [subject.label for subject in subjects], subjects, {**keywords, "threads": options["threads"]}


def _scores(made: Proxy, subjects: Sequence[Subject], extra: dict[str, Any], settings: dict[str, Any]) -> list[Any]:
    from plainnet.proxies.score import score_all

    threads = settings["threads"]
    keywords = {name: value for name, value in settings.items() if name != "threads"}
    if not made.is_exact:
        import torch

        torch.set_num_threads(threads)
    own = {name: value for name, value in extra.items() if name in made.options()}
    found = score_all([subject.network for subject in subjects], made, **keywords, **own)
    return [replace(one, notes=(*subject.remarks, *one.notes)) for one, subject in zip(found, subjects, strict=True)]

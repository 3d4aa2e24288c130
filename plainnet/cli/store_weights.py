"""`plainnet store import` and `load`: weights of other programs into the store, and parts of stored ones into other networks."""

from __future__ import annotations

import json
from pathlib import Path

import click

from plainnet.blocks.rows.variants import Variant
from plainnet.blocks.structure import Structure
from plainnet.cli.completion import a_stored_network
from plainnet.cli.network_options import own_code_options, take_network
from plainnet.cli.screen import tell
from plainnet.cli.store import json_option, root_of, store_option, tell_added
from plainnet.errors import UsageError
from plainnet.files.text_files import printable, read_text
from plainnet.naming.subject import DEFAULT, Subject

__all__ = ["import_command", "load_command"]

account_options = (
    click.option("--skip", multiple=True, metavar="PATTERN", help="Tensors of the file that are not needed (*, ?)."),
    click.option("--fresh", multiple=True, metavar="PATTERN", help="Tensors of the network that stay new (*, ?)."),
)


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """0.485,0.456,0.406."""

    name = "X,X,..."

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(each) for each in str(value).split(","))
        except ValueError:
            self.fail(f"{value!r} are no numbers; accepted: 0.485,0.456,0.406", param, ctx)


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--as", "network", required=True, metavar="NETWORK", help="The network that they are weights of.")
@click.option(
    "--map", "rules", metavar="LAYOUT|FILE", help="torchvision, timm, zennas, tinynas, or lines PATTERN -> NAME."
)
@click.option("--take", metavar="KEY", help="Which network of a file with several: state_dict_ema, ...")
@account_options[0]
@account_options[1]
@click.option("--dry-run", is_flag=True, help="Say what fits, and store nothing.")
@click.option("--name", help="[default: the network's]")
@click.option("--tag", default="imported", show_default=True)
@click.option("--task", default="cls", show_default=True)
@click.option("--family", help="[default: the letters of the published name, or plainnet]")
@click.option("--licence", "--license", help="The licence of the weights.")
@click.option("--label", "tags", multiple=True, help="A word to find it by (may be given several times).")
@click.option("--resolution", type=click.IntRange(1, 65_536), help="What it was trained at. [default: the network's]")
@click.option("--num-classes", type=click.IntRange(min=0), help="[default: the rows of the file's classifier]")
@click.option("--classes", type=click.Path(path_type=Path), metavar="FILE", help="Their names, a line each.")
@click.option("--mean", type=Numbers(), help="Of the pixels in 0..1, channel by channel.")
@click.option("--std", type=Numbers(), help="Of the pixels in 0..1, channel by channel.")
@click.option("--data", metavar="NAME", help="What it was trained on.")
@click.option("--data-version", help="Of the data that it was trained on.")
@click.option("--paper-url", metavar="URL", help="Where it was published.")
@own_code_options
@store_option
@json_option
def import_command(
    file: Path,
    network: str,
    rules: str | None,
    take: str | None,
    skip: tuple[str, ...],
    fresh: tuple[str, ...],
    dry_run: bool,
    name: str | None,
    tag: str,
    task: str,
    family: str | None,
    licence: str | None,
    tags: tuple[str, ...],
    resolution: int | None,
    num_classes: int | None,
    classes: Path | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    data: str | None,
    data_version: str | None,
    paper_url: str | None,
    trust: bool,
    imports: tuple[str, ...],
    store: Path | None,
    as_json: bool,
) -> None:
    """Put weights of another program into the store, under the names of a NETWORK: those of one name, those that --map names,
    then all that are left over by order and shape. No code of FILE's is run. What nobody accounted for is refused.
    """
    from plainnet.store.importing import Wanted, import_weights, read_foreign
    from plainnet.store.record_names import as_word

    subject, structure = _taken(network, trust, imports, num_classes=num_classes, resolution=resolution)
    if (mean is None) != (std is None):
        raise UsageError("--mean and --std belong together")
    called = name or as_word(subject.name or "")
    if not called:
        raise UsageError(f"{network} has no name; accepted: --name NAME")
    known = None if classes is None else _lines(classes)
    wanted = Wanted(
        structure,
        subject.size,
        subject.norm_eps.value,
        called,
        tag,
        _variant_of(subject),
        num_classes if subject.num_classes.source in (DEFAULT, "published", "said") else subject.num_classes.value,
        task,
        family,
        licence,
        tags,
        known,
        mean,
        std,
        data,
        data_version,
        paper_url,
    )
    foreign = read_foreign(file, wanted, rules=rules, take=take, skip=skip, fresh=fresh)
    _check_classes(known, foreign.wanted.num_classes, classes)
    if not as_json:
        for line in (*foreign.matching.lines(), *foreign.notes):
            tell(printable(line), err=not dry_run, indent=4)
    if dry_run:
        if as_json:
            click.echo(json.dumps(foreign.matching.as_dict() | {"notes": list(foreign.notes)}))
        foreign.check(file)
        return
    tell_added(root_of(store), import_weights(root_of(store), foreign, source=file), as_json=as_json)


def _taken(
    network: str, trust: bool, imports: tuple[str, ...], *, num_classes: int | None, resolution: int | None = None
) -> tuple[Subject, Structure]:
    """The network that a text names, and its structure; `UsageError` for a module."""
    subject = take_network(
        network, trust=trust, imports=imports, resolution=resolution, num_classes=num_classes, sizes=False
    )
    if subject.structure is None:
        raise UsageError(f"{network} is a module; accepted: a network string, or what names one")
    return subject, subject.structure


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def _variant_of(subject: Subject) -> Variant:
    """The variant that weights are of: that of the authors, where they trained with squeeze-excite."""
    variant = subject.variant.value
    assert isinstance(variant, Variant)
    return Variant(use_se=True) if subject.with_se and not variant.use_se else variant


def _check_classes(known: list[str] | None, count: int | None, path: Path | None) -> None:
    if known is not None and len(known) != count:
        raise UsageError(f"{path} names {len(known)} classes, and the network has {count}")


@click.command(name="load")
@click.argument("name", metavar="NAME", shell_complete=a_stored_network)
@click.option("--part", "parts", multiple=True, metavar="PART", help="backbone, head, ... [default: all of it]")
@click.option("--into", "network", required=True, metavar="NETWORK", help="The network that takes the tensors.")
@click.option("--num-classes", type=click.IntRange(min=0), help="Of the NETWORK's classifier.")
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The weights, as safetensors."
)
@click.option("--seed", default=0, show_default=True, help="Of what stays new.")
@account_options[0]
@account_options[1]
@own_code_options
@store_option
@json_option
def load_command(
    name: str,
    parts: tuple[str, ...],
    network: str,
    num_classes: int | None,
    out: Path,
    seed: int,
    skip: tuple[str, ...],
    fresh: tuple[str, ...],
    trust: bool,
    imports: tuple[str, ...],
    store: Path | None,
    as_json: bool,
) -> None:
    """Write the weights of a NETWORK with the tensors of a stored one, or of some of its parts, in it; the network's other
    parts are new. `plainnet train NETWORK model.weights=FILE` begins with them.
    """
    import torch

    from plainnet.network.plain_net import PlainNet
    from plainnet.store.importing import header_of
    from plainnet.store.reused_parts import load_into

    subject, structure = _taken(network, trust, imports, num_classes=num_classes)
    options = {
        "num_classes": subject.num_classes.value,
        "resolution": subject.size,
        "variant": subject.variant.value,
        "norm_eps": subject.norm_eps.value,
    }
    torch.manual_seed(seed)
    module = PlainNet(structure, **options)
    header = header_of(structure, **options)
    found = load_into(root_of(store), name, parts, module, header, out, skip=skip, fresh=fresh)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return
    for line in found.lines():
        tell(printable(line), err=True, indent=4)
    click.echo(str(out))

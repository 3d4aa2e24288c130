"""`plainnet store build`, `compose` and `promote`: networks put together of parts, and parts as entries of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from plainnet.cli.network_options import blocks_option, tell_network
from plainnet.cli.screen import alarm, tell
from plainnet.cli.store import json_option, root_of, store_option, tell_added
from plainnet.errors import UsageError
from plainnet.files.text_files import printable
from plainnet.files.whole_files import refuse_unwritable, write_whole

if TYPE_CHECKING:
    from plainnet.store.building import Plan
    from plainnet.store.record import Record

__all__ = ["build_command", "compose_command", "promote_command"]

Command = TypeVar("Command", bound=Callable[..., Any])
COMPOSED = "composed"
TASKS = {"classification": "cls", "dense": "segmentation", "anchor_free": "detection"}
"""Templates of heads -> the task that takes what they put out."""
SUFFIXES = (".yaml", ".yml")


def assembly_options(command: Command) -> Command:
    """What the commands that put a network together share."""
    for option in reversed(
        [
            click.option("--tag", default=COMPOSED, show_default=True, help="Which one of that name it is."),
            click.option("--task", help="[default: that of its heads' templates or stored heads]"),
            click.option("--family", help="[default: that of the backbone]"),
            click.option("--licence", "--license", help="The licence of the weights."),
            click.option("--label", "tags", multiple=True, help="A word to find it by (may be given several times)."),
            click.option("--seed", default=0, show_default=True, help="Of the weights that are new."),
            click.option(
                "--docs", type=click.Path(path_type=Path), metavar="FILE", help="Write what it is made of, as Markdown."
            ),
            click.option("--dry-run", is_flag=True, help="Say what it is made of, and store nothing."),
            blocks_option,
            store_option,
            json_option,
        ]
    ):
        command = option(command)
    return command


@click.command(name="build")
@click.argument("components", nargs=-1, required=True, metavar="KEY=VALUE...")
@click.option("--name", required=True, help="What the network is called.")
@assembly_options
def build_command(components: tuple[str, ...], name: str, **options: Any) -> None:
    """Put a network together of a backbone, a neck if there is one, and a head, and keep it in the store. A component is
    store:NAME (with its weights), a published name, a network string, or a template with its arguments.

    \b
    plainnet store build --name masks backbone=store:eyes resolution=64 \\
        neck.type=fpn neck.channels=24 'neck.from=[backbone.c2,backbone.c3]' \\
        head.type=dense head.from=neck.p2 head.num_classes=11
    """
    _assembled({}, components, name=name, **options)


@click.command(name="compose")
@click.argument("file", type=click.Path(path_type=Path), metavar="NET.yaml")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--name", help="What the network is called. [default: as the file]")
@assembly_options
def compose_command(file: Path, overrides: tuple[str, ...], name: str | None, **options: Any) -> None:
    """Put the network of a file of components together, with the weights of those parts that are store:NAME, and keep it in
    the store; which weights are random is said.
    """
    _assembled(file, overrides, name=name or _stem(file), **options)


def _stem(file: Path) -> str:
    from plainnet.store.record_names import as_word

    found = as_word(file.stem)
    if not found:
        raise UsageError(f"{file} cannot be the name of a network; accepted: --name NAME")
    return found


def _assembled(
    source: Path | dict[str, Any],
    overrides: tuple[str, ...],
    *,
    name: str,
    tag: str = COMPOSED,
    task: str | None = None,
    family: str | None = None,
    licence: str | None = None,
    tags: tuple[str, ...] = (),
    seed: int = 0,
    docs: Path | None = None,
    dry_run: bool = False,
    store: Path | None = None,
    as_json: bool = False,
) -> Record:
    """Put the network together, say what it is made of, and keep it unless this is a dry run."""
    from plainnet.store.building import assemble, assembly_record, keep_assembly
    from plainnet.store.composition_page import composition_page

    root = root_of(store)
    if docs is not None and docs.exists():
        raise UsageError(f"{docs} is there already; accepted: another --docs FILE")
    plan = _plan(source, overrides, root, seed=seed, quiet=as_json)
    assembly = assemble(plan)
    record = assembly_record(
        assembly, name=name, tag=tag, task=task or _task(plan), family=family, licence=licence, tags=tags
    )
    if docs is not None:
        refuse_unwritable(docs)
    if not dry_run:
        record = keep_assembly(root, assembly, record)
    if docs is not None:
        write_whole(docs, composition_page(record))
    for line in assembly.lines():
        if line.startswith("warning"):
            alarm(printable(line))
        else:
            tell(printable(line), err=True, indent=4)
    if dry_run:
        click.echo(json.dumps(record.as_dict(), allow_nan=False) if as_json else str(plan.structure))
    else:
        tell_added(root, record, as_json=as_json)
    return record


def _plan(source: Path | dict[str, Any], overrides: tuple[str, ...], root: Path, *, seed: int, quiet: bool) -> Plan:
    from plainnet.naming.stored_components import composition_of
    from plainnet.store.building import Plan

    subject, said, parts = composition_of(source, overrides, store=root)
    assert subject.structure is not None
    if not quiet:
        tell_network(subject)
    return Plan(
        subject.structure,
        subject.size,
        subject.variant.value,
        subject.norm_eps.value,
        subject.num_classes.value,
        said,
        parts,
        seed,
    )


def _task(plan: Plan) -> str:
    """What the heads are for, where they agree."""
    found = set()
    for part, said in plan.said.items():
        if part.startswith("heads."):
            kind = said.get("type") if isinstance(said, Mapping) else None
            stored = plan.parts.get(part)
            found.add(TASKS.get(str(kind)) if stored is None else stored.record.identity.task)
    if len(found) == 1 and None not in found:
        return str(found.pop())
    raise UsageError(
        "what the heads are for does not follow from them; accepted: --task cls, segmentation, detection, ..."
    )


@click.command(name="promote")
@click.argument("stored", metavar="NAME|NET.yaml")
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="PART",
    help="backbone, neck, head, heads.NAME, or all (may be given several times). [default: backbone; of a file: all]",
)
@click.option(
    "--name", help="What the part is called, or the network of a file. [default: as the network; as the file]"
)
@click.option("--tag", help="Which one of that name it is. [default: as the network; composed]")
@click.option("--task", help="Of the network of a file. [default: that of its heads]")
@blocks_option
@store_option
@json_option
def promote_command(
    stored: str,
    parts: tuple[str, ...],
    name: str | None,
    tag: str | None,
    task: str | None,
    store: Path | None,
    as_json: bool,
) -> None:
    """Put parts of a stored network into the store as entries by themselves, in backbones/FAMILY, necks/FAMILY and heads/TASK:
    with their weights, and with the story of their training. The network of a file of components is put into the store
    first.
    """
    from plainnet.store.promoting import promote
    from plainnet.store.reading import record_of

    root = root_of(store)
    told: list[Record] = []
    if stored.endswith(SUFFIXES):
        file = Path(stored)
        record = _assembled(file, (), name=name or _stem(file), tag=tag or COMPOSED, task=task, store=store)
        whole, name, parts = f"{record.identity.name}.{record.identity.tag}", None, parts or ("all",)
    elif task is not None:
        raise UsageError(f"{stored} has its task; accepted: --task with a file of components")
    else:
        whole = stored
    record = record_of(root, whole)[2]
    chosen = list(record.structure.parts) if "all" in parts else list(parts) or ["backbone"]
    if name is not None and len(chosen) > 1:
        raise UsageError(f"--name names one part, and there are {len(chosen)}: {', '.join(chosen)}")
    told += [promote(root, whole, part=part, name=name, tag=tag) for part in chosen]
    for each in told:
        tell_added(root, each, as_json=as_json)

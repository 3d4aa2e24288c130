"""`plainnet store say`: what a person knows of a stored network, and no command can measure."""

from __future__ import annotations

import json
from pathlib import Path

import click

from plainnet.cli.screen import tell
from plainnet.cli.store import json_option, root_of, store_option
from plainnet.files.text_files import printable

__all__ = ["say_command"]


@click.command(name="say")
@click.argument("name", metavar="NAME")
@click.argument("facts", nargs=-1, required=True, metavar="KEY=VALUE...")
@store_option
@json_option
def say_command(name: str, facts: tuple[str, ...], store: Path | None, as_json: bool) -> None:
    """Write into the record of a network what a person knows of it: its paper, licence and tags, what the channels of its images
    are, its data, how it was trained, what it reaches, and whatever else there is to say (extra.KEY). What is said again is
    replaced; null takes it away.

    \b
    plainnet store say mine data.version=v1.2 input.meaning=BGR training.lr=0.1
    plainnet store say r18 'metrics=[{dataset: imagenet, split: val,
        name: accuracy, value: 0.698, better: higher}]'
    plainnet store say mine 'extra.anchors=[[10, 13], [16, 30]]'
    """
    from plainnet.store.keeping import change_record
    from plainnet.store.reading import record_of
    from plainnet.store.saying import read_facts, with_facts

    root = root_of(store)
    found, _, _ = record_of(root, name)
    said = read_facts(facts)
    record = change_record(root, found.path, lambda record: with_facts(record, said))
    if as_json:
        click.echo(json.dumps(record.as_dict(), allow_nan=False))
        return
    for fact in facts:
        tell(printable(f"{found.path}: {fact}"), indent=4)

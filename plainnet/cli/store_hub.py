"""`plainnet store push` and `pull`: stored networks on the Hugging Face hub."""

from __future__ import annotations

import json
from pathlib import Path

import click

from plainnet.cli.completion import a_stored_network
from plainnet.cli.network_options import blocks_option
from plainnet.cli.screen import tell
from plainnet.cli.store import json_option, root_of, store_option, tell_added

__all__ = ["pull_command", "push_command"]


@click.command(name="push")
@click.argument("name", metavar="NAME", shell_complete=a_stored_network)
@click.argument("repository", metavar="OWNER/REPOSITORY")
@click.option("--private", is_flag=True, help="Where the repository is made: for its owner alone.")
@blocks_option
@store_option
@json_option
def push_command(name: str, repository: str, private: bool, store: Path | None, as_json: bool) -> None:
    """Put a stored network on the Hugging Face hub, without its conversions, after it was compared with its digests. Who you are
    there is asked of the hub's own library: hf auth login.
    """
    from plainnet.store.hub import push

    address = push(root_of(store), name, repository, private=private)
    if as_json:
        click.echo(json.dumps({"repository": repository, "address": address}))
        return
    tell(f"{name} is on the hub: {address}", indent=4)


@click.command(name="pull")
@click.argument("repository", metavar="OWNER/REPOSITORY")
@click.option("--revision", metavar="REVISION", help="A branch, a tag or a commit of it. [default: its main branch]")
@click.option("--name", help="What it is called here. [default: as there]")
@click.option("--tag", help="Which one of that name it is. [default: as there]")
@blocks_option
@store_option
@json_option
def pull_command(
    repository: str, revision: str | None, name: str | None, tag: str | None, store: Path | None, as_json: bool
) -> None:
    """Put a network from the Hugging Face hub into the store, after it was compared with its digests. Its code is kept in source/
    and not run; conversions are not taken, since they are programs.
    """
    from plainnet.store.hub import pull

    root = root_of(store)
    record = pull(root, repository, revision=revision, name=name, tag=tag)
    tell_added(root, record, as_json=as_json)

"""`plainnet store verify`: stored networks compared with their digests, and their conversions run again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from plainnet.cli.completion import a_stored_network
from plainnet.cli.network_options import blocks_option
from plainnet.cli.screen import show, tell
from plainnet.cli.store import json_option, root_of, store_option
from plainnet.errors import MissingExtraError, PlainnetError, UsageError
from plainnet.files.text_files import printable
from plainnet.results.tables import Table

if TYPE_CHECKING:
    from plainnet.platforms.comparing import Measured
    from plainnet.store.record_names import StoredName

__all__ = ["verify_command"]


class Verified(NamedTuple):
    """What is wrong with a stored network, what each conversion made of its samples, and which could not be run here."""

    problems: list[str]
    conversions: dict[str, list[Measured]]
    not_run: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        found = {name: [one.model_dump(mode="json") for one in runs] for name, runs in self.conversions.items()}
        return {"problems": self.problems, "conversions": found, "not_run": self.not_run}


@click.command(name="verify")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=a_stored_network)
@click.option(
    "--platform", "platforms", metavar="PLATFORM,...", help="Run these conversions alone. [default: all that there are]"
)
@click.option(
    "--conversions/--no-conversions",
    default=True,
    help="Whether to run conversions, which are programs of their platforms. [default: run them]",
)
@click.option(
    "--note-commit", is_flag=True, help="Note the commit of this folder's repository as one at which it passed."
)
@blocks_option
@store_option
@json_option
def verify_command(
    names: tuple[str, ...],
    platforms: str | None,
    conversions: bool,
    note_commit: bool,
    store: Path | None,
    as_json: bool,
) -> None:
    """Compare networks (all of the store by default) with their digests: files, tensors, the meaning of their blocks; and run
    their conversions again on the images that are kept with them. Exit code 1 where something differs.
    """
    from plainnet.platforms.platform import find_platform
    from plainnet.store.keeping import commit_to_note, note_passed
    from plainnet.store.layout import each_name, find_name

    root = root_of(store)
    if platforms is not None and not conversions:
        raise UsageError("--platform says which conversions run, and --no-conversions that none does")
    wanted = None if platforms is None else [find_platform(each.strip()).name for each in platforms.split(",")]
    chosen = [find_name(root, each) for each in names] if names else list(each_name(root))
    commit = commit_to_note() if note_commit else None
    verified = {name.path: _verified(root, name, wanted if conversions else (), commit) for name in chosen}
    missing = [
        each for each in wanted or () if not any(each in one.conversions | one.not_run for one in verified.values())
    ]
    if missing:
        raise UsageError(
            f"there is no conversion for {', '.join(missing)}; to make one: plainnet store convert NAME --to PLATFORM"
        )
    if commit is not None:
        for path, found in verified.items():
            if not found.problems:
                note_passed(root, path, commit)
    if as_json:
        click.echo(json.dumps({path: found.as_dict() for path, found in verified.items()}, allow_nan=False))
    else:
        _tell(root, verified)
    if any(found.problems for found in verified.values()):
        raise SystemExit(1)


def _verified(root: Path, name: StoredName, wanted: Sequence[str] | None, commit: str | None) -> Verified:
    from plainnet.platforms.comparing import at, passes
    from plainnet.platforms.conversion import read_conversion, verify
    from plainnet.platforms.platform import NotHereError
    from plainnet.store.conversions import conversions_of
    from plainnet.store.layout import folder_of
    from plainnet.store.reading import verify as verify_files

    found = Verified(verify_files(root, name), {}, {})
    for folder in conversions_of(folder_of(root, name)):
        if wanted is not None and folder.name not in wanted:
            continue
        try:
            about = read_conversion(folder)
            runs = found.conversions[folder.name] = verify(folder, commit=commit)
        except (MissingExtraError, NotHereError) as error:
            found.not_run[folder.name] = str(error)
        except PlainnetError as error:
            found.problems.append(str(error))
        else:
            if not passes(runs, about.tolerance):
                wrong = next(one for one in runs if one.error is None or one.error > about.tolerance)
                why = (
                    wrong.reason
                    or f"it is off by {wrong.error:.1e} at {at(wrong.shape)}, accepted: {about.tolerance:g}"
                )
                found.problems.append(f"{folder} does not put out what the network does: {why}")
    return found


def _tell(root: Path, verified: dict[str, Verified]) -> None:
    from plainnet.platforms.comparing import at

    rows = []
    for path, found in verified.items():
        for problem in found.problems:
            tell(printable(f"{path}: {problem}"), indent=4)
        for platform, why in found.not_run.items():
            tell(printable(f"{path}: {platform} was not run: {why}"), err=True, indent=4)
        for platform, runs in found.conversions.items():
            rows += [
                [
                    path.rpartition("/")[2],
                    platform,
                    at(one.shape),
                    "not run" if one.error is None else f"{one.error:.1e}",
                ]
                for one in runs
            ]
    if rows:
        show(Table(["network", "platform", "images", "error"], rows, left=3, cut=("network",)))
    bad = sum(bool(found.problems) for found in verified.values())
    tell(f"{len(verified)} of the store {root}: {len(verified) - bad} whole, {bad} not", indent=4)

"""`homestow verify | repair | backup | restore`: orders about the whole data folder."""

import os
import sys
from pathlib import Path

import click
import msgspec

from homestow.cli.asking import Command, data_option
from homestow.cli.control import give
from homestow.cli.orders import shown
from homestow.cli.troubles import FINE, LEFT, USAGE, Trouble
from homestow.values.words import counted
from homestow.wire.api import Outcome


class _Verdict(msgspec.Struct):
    """The part of a report that the exit code needs."""

    sound: bool = True


class _Kept(msgspec.Struct):
    """The part of a backup's answer that the exit code needs."""

    missing: list[str] = msgspec.field(default_factory=list)


def _judged(outcome: Outcome) -> int:
    """Print a report; 0 when everything is in order, else 1."""
    for line in outcome.lines:
        print(shown(line))
    return FINE if msgspec.json.decode(outcome.data, type=_Verdict).sound else LEFT


@click.command(cls=Command, example="homestow verify --data /srv/homestow")
@click.option("--quick", is_flag=True, help="Sizes and places only; without reading the files.")
@data_option
def verify(quick: bool, data: Path) -> int:
    """Compare every file, version and thing in the trash with what it should be. Changes nothing.

    Exits with 0 when everything is in order, else with 1.
    """
    return _judged(give(data, "verify", {"quick": quick}))


@click.command(cls=Command, example="homestow repair --data /srv/homestow")
@data_option
def repair(data: Path) -> int:
    """Mend what can be mended, and say what cannot. No content that is needed is removed.

    Exits with 0 when everything is in order afterwards, else with 1.
    """
    return _judged(give(data, "repair", {}))


@click.command(cls=Command, example="homestow backup /mnt/backup/homestow --keep 30 --data /srv/homestow")
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Remove older backups: N stay, the new one among them."
)
@data_option
def backup(target: Path, keep: int | None, data: Path) -> int:
    """Back up the whole data folder and all roots into DIR, also while the server runs.

    DIR may hold earlier backups: then only what is new is copied, and each of them stays whole.

    Exits with 0 when everything is in it, with 1 when something could not be read; each such thing is named.
    """
    where = target.expanduser().absolute()
    done = give(data, "backup", {"target": str(where), "keep": keep})
    for line in done.lines:
        print(shown(line))
    return LEFT if msgspec.json.decode(done.data, type=_Kept).missing else FINE


@click.command(cls=Command, example="homestow restore /mnt/backup/homestow --data /srv/homestow")
@click.argument("source", metavar="DIR", type=click.Path(path_type=Path))
@data_option
def restore(source: Path, data: Path) -> int:
    """Bring a backup back into a data folder that is empty or not there; no server may run on it.

    DIR is what `homestow backup` was given (the newest backup in it is taken), or one backup below it. All roots come to lie
    in the data folder. Computers that sync merge with what was restored; none deletes anything because of it.
    """
    from homestow.server.bootstrap import restore_backup
    from homestow.server.settings import load

    if not source.is_dir():
        raise Trouble(f"{source} is no folder; name the folder that `homestow backup` was given.", USAGE)
    done = restore_backup(source.absolute(), data, load(data, os.environ, {}))
    for name, folder in done.roots.items():
        print(shown(f"{name}: restored to {folder}"))
    print(
        f"{counted(done.files, 'file')} {'is' if done.files == 1 else 'are'} back. Log in anew on every computer; start the server."
    )
    key = "; its backup_key is not in it, put yours in again" if done.sealed else ""
    for name in done.settings:
        print(f"{name} is back{key if name.endswith('.toml') else ''}.")
    for line in done.missing:
        print(shown(f"not in the backup: {line}"), file=sys.stderr)
    return LEFT if done.missing else FINE

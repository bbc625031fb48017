"""`homestow ditto`."""

from pathlib import Path

import click

from homestow.cli.asking import Group, data_option
from homestow.cli.orders import obey
from homestow.cli.times import read_time
from homestow.cli.troubles import USAGE, Trouble


@click.group(cls=Group)
def ditto() -> None:
    """Files by the Ditto services: send them, and have devices send theirs."""


@ditto.command(
    "request",
    example="homestow ditto request --user anna --from 2026-11-20 --to 2026-11-21T18:00\n"
    "homestow ditto request --file 0c5f7e1e-9a3b-4d0c-8a53-64c2b9a0b6d1 --block 3",
)
@click.option("--user", metavar="USER", help="Whose devices are asked.")
@click.option("--from", "start", metavar="TIME", help="Files from then on: ISO 8601 (local without a zone), or seconds.")
@click.option("--to", "end", metavar="TIME", help="Files until then; a day alone is meant with all its hours.")
@click.option("--file", metavar="UUID", help="A file that a device announced.")
@click.option("--block", type=click.IntRange(0), metavar="N", help="Its block, counted from 0 on.")
@data_option
def request(
    user: str | None, start: str | None, end: str | None, file: str | None, block: int | None, data: Path
) -> int:
    """Ask devices to upload the files of a time, or one block of a file again.

    A device that is away gets to know when it comes back.
    """
    if (file is None) != (block is None) or (start is None) != (end is None) or (file is None) == (start is None):
        raise Trouble("say either --user, --from and --to, or --file and --block.", USAGE)
    if file is not None:
        return obey(data, "ditto.request", {"user": user, "file": file, "block": block})
    if user is None:
        raise Trouble("whose devices? Name the account with --user USER.", USAGE)
    first, last = read_time(start or ""), read_time(end or "", end=True)
    return obey(data, "ditto.request", {"user": user, "start_ns": first, "end_ns": last})

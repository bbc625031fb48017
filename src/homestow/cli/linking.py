"""`homestow share add | list | remove`: links for people without an account."""

import os
import time
from datetime import UTC, datetime

import click

from homestow.cli.asking import Group, server_options
from homestow.cli.entering import enter
from homestow.cli.passwords import given_password
from homestow.cli.transfers import find
from homestow.cli.troubles import one_line
from homestow.values.words import counted
from homestow.wire import api

_DAY_NS = 24 * 3600 * 1_000_000_000
_PASSWORD = "HOMESTOW_LINK_PASSWORD"  # noqa: S105 - the name of the variable


@click.group(cls=Group)
def share() -> None:
    """Links for people without an account: add, list, remove."""


@share.command(example="homestow share add -s https://home.example:5000 -u anna --days 7 Photos/2026/cake.jpg")
@server_options
@click.option(
    "--days", metavar="N", type=click.IntRange(1, 36_500), help="How long it opens; without it until removed."
)
@click.option("--label", metavar="TEXT", help="A word for yourself, shown by `share list`.")
@click.option(
    "--password-stdin", is_flag=True, help=f"Ask a password of whoever opens it: read it here, or from {_PASSWORD}."
)
@click.argument("path", metavar="ROOT/PATH")
def add(server: str, user: str | None, days: int | None, label: str | None, password_stdin: bool, path: str) -> None:
    """Make a link to a file, or to a folder with all below it.

    Whoever has the link reads what you may read there, and changes nothing. It follows the file when it is renamed.
    """
    password = given_password(stdin=True) if password_stdin else os.environ.get(_PASSWORD) or None
    with enter(server, user, given_password()) as entered:
        _, node = find(entered, path)
        # By the server's clock, which decides.
        expires = None if days is None else entered.client.server().now_ns + days * _DAY_NS
        new = api.NewShare(node=node.id, password=password, expires_ns=expires, label=label)
        made = entered.client.add_share(new)
        print(server.rstrip("/") + made.path)


@share.command("list", example="homestow share list -s https://home.example:5000 -u anna Photos")
@server_options
@click.argument("root", metavar="[ROOT]", required=False)
def list_(server: str, user: str | None, root: str | None) -> None:
    """List your links, or with ROOT everybody's into a root that is yours. The links themselves are not kept anywhere."""
    with enter(server, user, given_password()) as entered:
        for each in entered.client.shares(None if root is None else entered.root(root.strip("/")).id):
            print(_line(each))


def _line(each: api.Share) -> str:
    facts = [f"by {each.user or 'somebody who is gone'}", f"used {counted(each.uses, 'time')}"]
    if each.expires_ns is not None:
        facts.append(f"until {_when(each.expires_ns)}")
    if each.password:
        facts.append("with a password")
    if each.kind != "link":
        facts.append(each.kind)
    if not each.opens:
        facts.append("opens nothing any more")
    if each.label:
        facts.append(one_line(each.label))
    return f"{each.id}  {one_line(each.name or '?')}  {', '.join(facts)}"


def _when(at_ns: int) -> str:
    try:
        return time.strftime(
            "%Y-%m-%d %H:%M", datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).astimezone().timetuple()
        )
    except (ValueError, OverflowError, OSError):
        return "a far day"


@share.command(example="homestow share remove -s https://home.example:5000 -u anna 3")
@server_options
@click.argument("number", metavar="NUMBER", type=click.IntRange(1))
def remove(server: str, user: str | None, number: int) -> None:
    """End a link: by its number in `share list`."""
    with enter(server, user, given_password()) as entered:
        entered.client.remove_share(number)
        print("the link opens nothing any more.")

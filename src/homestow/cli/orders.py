"""`homestow user | root | trash | versions | verify | repair | backup | restore`: orders to the server or its data folder."""

import sys
from pathlib import Path

import click

from homestow.cli.asking import Group, data_option
from homestow.cli.control import Args, give
from homestow.cli.passwords import new_password
from homestow.cli.troubles import USAGE, Trouble, one_line

password_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; else HOMESTOW_PASSWORD or a question.",
)


def obey(data: Path, name: str, args: Args) -> int:
    """Give an order and print what came of it, line by line."""
    for line in give(data, name, args).lines:
        # Names in it are other people's; on a terminal they are shown, not obeyed.
        print(one_line(line) if sys.stdout.isatty() else line)
    return 0


@click.group(cls=Group)
def user() -> None:
    """Accounts: add, passwd, list, remove."""


@user.command("add", example="homestow user add anna --admin")
@click.argument("name")
@click.option("--admin", is_flag=True, help="May administer the server.")
@click.option("--no-root", is_flag=True, help="Without a root of its own.")
@password_stdin
@data_option
def user_add(name: str, admin: bool, no_root: bool, password_stdin: bool, data: Path) -> int:
    """Make an account, and its own root in DATA/files/NAME."""
    password = new_password(f"Password for {one_line(name)}", stdin=password_stdin)
    return obey(data, "user.add", {"name": name, "password": password, "admin": admin, "no_root": no_root})


@user.command("passwd", example="homestow user passwd anna")
@click.argument("name")
@password_stdin
@data_option
def user_passwd(name: str, password_stdin: bool, data: Path) -> int:
    """Set an account's password; all its devices are logged out."""
    password = new_password(f"New password for {one_line(name)}", stdin=password_stdin)
    return obey(data, "user.passwd", {"name": name, "password": password})


@user.command("list", example="homestow user list")
@data_option
def user_list(data: Path) -> int:
    """List the accounts."""
    return obey(data, "user.list", {})


@user.command("remove", example="homestow user remove anna")
@click.argument("name")
@data_option
def user_remove(name: str, data: Path) -> int:
    """Remove an account; the files of its root stay on the disk."""
    return obey(data, "user.remove", {"name": name})


@click.group(cls=Group)
def root() -> None:
    """Roots, the trees people share: add, member, list, remove."""


@root.command("add", example="homestow root add Photos /mnt/disk/photos --member anna:write --member ben:read")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--member", "members", multiple=True, metavar="USER[:read|write]", help="Who may see it; may be repeated."
)
@data_option
def root_add(name: str, path: Path, members: tuple[str, ...], data: Path) -> int:
    """Share the folder PATH as root NAME. What is in it stays where it is."""
    wanted = [":".join(_member(text)) for text in members]
    return obey(data, "root.add", {"name": name, "path": str(path.expanduser().absolute()), "members": wanted})


@root.command("member", example="homestow root member Photos ben:none")
@click.argument("name")
@click.argument("member", metavar="USER[:read|write|none]")
@data_option
def root_member(name: str, member: str, data: Path) -> int:
    """Give somebody rights in a root, or take them away."""
    who, rights = _member(member, ("read", "write", "none"))
    return obey(data, "root.member", {"name": name, "user": who, "rights": rights})


@root.command("list", example="homestow root list")
@data_option
def root_list(data: Path) -> int:
    """List the roots, where they lie and who may see them."""
    return obey(data, "root.list", {})


@root.command("remove", example="homestow root remove Photos")
@click.argument("name")
@data_option
def root_remove(name: str, data: Path) -> int:
    """Take a root off the server; its files stay on the disk."""
    return obey(data, "root.remove", {"name": name})


def _member(text: str, rights: tuple[str, ...] = ("read", "write")) -> tuple[str, str]:
    """USER or USER:RIGHTS; without rights it is to write."""
    who, colon, given = text.rpartition(":")
    if not colon:
        return text, "write"
    if given not in rights or not who:
        raise Trouble(f"{text!r} is not USER:RIGHTS with rights {', '.join(rights)}.", USAGE)
    return who, given

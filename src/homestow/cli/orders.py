"""`homestow user | root | trash | versions | verify | repair | backup | restore`: orders to the server or its data folder."""

import sys
from pathlib import Path

import click

from homestow.cli.asking import Group, data_option
from homestow.cli.control import Args, give
from homestow.cli.passwords import new_password
from homestow.cli.troubles import BRAKE, FINE, USAGE, Trouble, one_line

password_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the password from standard input; else HOMESTOW_PASSWORD or a question.",
)


def obey(data: Path, name: str, args: Args) -> int:
    """Give an order and print what came of it, line by line."""
    for line in give(data, name, args).lines:
        print(shown(line))
    return 0


def shown(line: str) -> str:
    """A line for whoever reads stdout. Names in it are other people's: a terminal shows them and does not obey them."""
    return one_line(line) if sys.stdout.isatty() else line.encode(errors="backslashreplace").decode()


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
    """Roots, the trees people share: add, member, list, remove, quota, scan, trust."""


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


@user.command("quota", example="homestow user quota anna 500GB")
@click.argument("name")
@click.argument("size", metavar="SIZE|none|default")
@data_option
def user_quota(name: str, size: str, data: Path) -> int:
    """Limit what an account's roots may hold."""
    return obey(data, "user.quota", {"name": name, "bytes": size_bytes(size)})


@root.command("quota", example="homestow root quota Photos 1TB")
@click.argument("name")
@click.argument("size", metavar="SIZE|none|default")
@data_option
def root_quota(name: str, size: str, data: Path) -> int:
    """Limit what a root may hold."""
    return obey(data, "root.quota", {"name": name, "bytes": size_bytes(size)})


@root.command("scan", example="homestow root scan Photos")
@click.argument("name", metavar="[ROOT]", required=False)
@click.option("--accept-deletes", is_flag=True, help="What is missing in ROOT was meant to go: delete it everywhere.")
@data_option
def root_scan(name: str | None, accept_deletes: bool, data: Path) -> int:
    """Compare roots with the disk now, for changes made while nobody watched.

    When most of a root's files are missing, nothing is deleted until this is given --accept-deletes; it exits with 3 then.
    """
    import msgspec

    if accept_deletes and name is None:
        raise Trouble("name the root whose missing files were meant to go.", USAGE)
    done = give(data, "root.scan", {"name": name, "accept_deletes": accept_deletes})
    for line in done.lines:
        print(shown(line))
    found = msgspec.json.decode(done.data, type=dict[str, dict[str, int | bool]])
    return BRAKE if any(one.get("held") for one in found.values()) else FINE


@root.command("trust", example="homestow root trust Photos")
@click.argument("name")
@data_option
def root_trust(name: str, data: Path) -> int:
    """Let a root take changes again whose disk failed, after you looked at the disk."""
    return obey(data, "root.trust", {"name": name})


@click.group(cls=Group)
def trash() -> None:
    """What was deleted: list, restore, empty."""


@trash.command("list", example="homestow trash list anna")
@click.argument("name", metavar="[ROOT]", required=False)
@data_option
def trash_list(name: str | None, data: Path) -> int:
    """List what was deleted, newest first."""
    return obey(data, "trash.list", {"root": name})


@trash.command(
    "restore",
    example="homestow trash restore anna/Documents/letter.odt\nhomestow trash restore anna/Music anna/Photos",
)
@click.argument("paths", metavar="ROOT/PATH...", nargs=-1, required=True)
@data_option
def trash_restore(paths: tuple[str, ...], data: Path) -> int:
    """Bring back what was deleted at PATH, a folder with all that was in it; of several, the newest."""
    for path in paths:
        obey(data, "trash.restore", {"path": path})
    return 0


@trash.command("empty", example="homestow trash empty anna")
@click.argument("name", metavar="[ROOT]", required=False)
@click.option("--all", "everything", is_flag=True, help="Of all roots.")
@data_option
def trash_empty(name: str | None, everything: bool, data: Path) -> int:
    """Remove everything in the trash of a root for good."""
    if (name is None) != everything:
        raise Trouble("name the ROOT whose trash to empty, or --all; what is emptied is gone for good.", USAGE)
    return obey(data, "trash.empty", {"root": name})


@click.group(cls=Group)
def versions() -> None:
    """Contents that files had: list, restore."""


@versions.command("list", example="homestow versions list anna/Documents/letter.odt")
@click.argument("path", metavar="ROOT/PATH")
@data_option
def versions_list(path: str, data: Path) -> int:
    """List the kept contents of a file, newest first; the first column is the number REV."""
    return obey(data, "versions.list", {"path": path})


@versions.command("restore", example="homestow versions restore anna/Documents/letter.odt 3")
@click.argument("path", metavar="ROOT/PATH")
@click.argument("rev", type=click.IntRange(min=1), required=False)
@data_option
def versions_restore(path: str, rev: int | None, data: Path) -> int:
    """Give a file the content REV again (default: the one before the present); the present one stays as a version."""
    if rev is None:
        rev = _before_present(data, path)
    return obey(data, "versions.restore", {"path": path, "rev": rev})


def _before_present(data: Path, path: str) -> int:
    """The newest content of a file that is not the present one."""
    import msgspec

    found = msgspec.json.decode(give(data, "versions.list", {"path": path}).data)
    older = [int(entry["rev"]) for entry in found if not entry["current"]]
    if not older:
        raise Trouble(f"{path} has no older content.")
    return older[0]


def size_bytes(text: str) -> int | None:
    """A size as people write it: "500GB", "1.5 TB", "none" (0: no limit), "default" (None: the server's)."""
    words = text.strip().lower().replace(" ", "")
    if words in ("none", "default"):
        return 0 if words == "none" else None
    units = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
    short = words.removesuffix("b")
    factor = units.get(short[-1:], 1)
    number = short[:-1] if factor > 1 else short
    try:
        size = int(float(number) * factor)
    except (ValueError, OverflowError):
        size = -1
    if size < 0:
        raise Trouble(f"{text!r} is no size; write 500GB, 1.5TB, none or default.", USAGE)
    return size

"""`homestow client`: the programs that may log users in over the Ditto services."""

from pathlib import Path

import click

from homestow.cli.asking import Group, data_option
from homestow.cli.orders import obey


@click.group(cls=Group)
def client() -> None:
    """Programs of the Ditto services: add, list, remove, rotate-key."""


@client.command("add", example="homestow client add camera-app --max-users 20")
@click.argument("name")
@click.option(
    "--max-users", type=click.IntRange(0), default=0, metavar="N", help="So many users at once; default: any number."
)
@data_option
def client_add(name: str, max_users: int, data: Path) -> int:
    """Register a program. Prints its id and secret as JSON; the secret is never shown again."""
    return obey(data, "client.add", {"name": name, "max_users": max_users})


@client.command("list", example="homestow client list")
@data_option
def client_list(data: Path) -> int:
    """List the programs."""
    return obey(data, "client.list", {})


@client.command("remove", example="homestow client remove camera-app")
@click.argument("name")
@data_option
def client_remove(name: str, data: Path) -> int:
    """Remove a program, by its name or id; whoever logged in through it is logged out."""
    return obey(data, "client.remove", {"name": name})


@client.command("rotate-key", example="homestow client rotate-key")
@data_option
def rotate_key(data: Path) -> int:
    """Sign access tokens with a new key from now on. Tokens of the two keys before count until they end."""
    return obey(data, "client.rotate-key", {})

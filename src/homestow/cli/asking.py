"""Parts that several commands share: examples in the help, --data, lists on the terminal."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from homestow.client.adapters.this_computer import data_home

F = TypeVar("F", bound=Callable[..., Any])


class Command(click.Command):
    """A command whose help ends with an example, shown as it is typed."""

    def __init__(self, *args: Any, example: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The example, its lines unwrapped."""
        if self.example:
            with formatter.section("Example"):
                for line in self.example.strip().splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Group(click.Group):
    """A group whose commands are `Command`s."""

    command_class = Command


def default_data() -> Path:
    """The platform's folder for a program's data, where --data is not given."""
    return data_home() / "homestow" / "server"


def data_option(command: F) -> F:
    """The flag --data, as an absolute path."""

    def chosen(ctx: click.Context, param: click.Parameter, value: str | None) -> Path:
        return Path(value).expanduser().absolute() if value else default_data()

    return click.option(
        "--data",
        metavar="DIR",
        envvar="HOMESTOW_DATA",
        callback=chosen,
        help="The server's data folder; default: the platform's data folder.",
    )(command)


def server_options(command: F) -> F:
    """The flags -s and -u of commands that speak to a server."""
    from homestow.cli.sync import DEFAULT_SERVER, server_url

    def chosen(ctx: click.Context, param: click.Parameter, value: str) -> str:
        return server_url(value)

    command = click.option("-u", "--user", metavar="USER", envvar="HOMESTOW_USER", help="Your account's name.")(command)
    return click.option(
        "-s",
        "--server",
        metavar="URL",
        default=DEFAULT_SERVER,
        envvar="HOMESTOW_SERVER",
        show_default=True,
        callback=chosen,
        help="The server, also with a path prefix.",
    )(command)

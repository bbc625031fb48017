"""The tree of commands: what each is called and in which module it lives, loaded when it is wanted."""

from importlib import import_module

import click

from homestow import __version__

_HERE = "homestow.cli"

# Command, module and name in it. The order is that of the help.
COMMANDS: dict[str, tuple[str, str]] = {
    "start": ("begin", "start"),
    "serve": ("serving", "serve"),
    "user": ("orders", "user"),
    "root": ("orders", "root"),
    "client": ("clients", "client"),
    "scan": ("scanning", "scan"),
    "trash": ("orders", "trash"),
    "versions": ("orders", "versions"),
    "verify": ("upkeep", "verify"),
    "repair": ("upkeep", "repair"),
    "backup": ("upkeep", "backup"),
    "restore": ("upkeep", "restore"),
    "sync": ("synccommand", "sync"),
    "status": ("status", "status"),
    "pause": ("joborders", "pause"),
    "resume": ("joborders", "resume"),
    "reload": ("joborders", "reload"),
    "conflicts": ("joborders", "conflicts"),
    "log": ("joborders", "log"),
    "jobs": ("jobs", "jobs"),
    "autostart": ("autostart", "autostart"),
    "ui": ("ui", "ui"),
    "ls": ("transfers", "ls"),
    "get": ("transfers", "get"),
    "put": ("transfers", "put"),
    "netdrive": ("netdrive", "netdrive"),
    "ditto": ("ditto", "ditto"),
    "share": ("linking", "share"),
    "config": ("configs", "config"),
    "passwd": ("account", "passwd"),
    "logout": ("account", "logout"),
    "service": ("unit", "service"),
    "completion": ("completion", "completion"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported one by one, when they are called or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command = getattr(import_module(f"{_HERE}.{module}"), name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "auto_envvar_prefix": None},
    epilog="Each command tells more, with an example: homestow COMMAND --help",
)
@click.version_option(__version__, prog_name="homestow", message="%(prog)s %(version)s")
def homestow() -> None:
    """Your own cloud of ordinary files in ordinary folders: serve it, and keep folders in step with it."""

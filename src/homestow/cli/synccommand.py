"""`homestow sync` for click: the help, and the mistakes that the quick reading leaves to it; flags come from `sync.FLAGS`."""

from typing import Any

import click

from homestow.cli.asking import Command
from homestow.cli.sync import ABOUT, EXAMPLE, FLAGS, run
from homestow.cli.syncflags import Flag


def _option(flag: Flag) -> click.Option:
    names = [*flag.names, flag.key]
    if flag.shows is None:
        return click.Option(names, is_flag=True, help=flag.about)
    kind = click.Choice(flag.choices) if flag.choices else click.STRING
    metavar = None if flag.choices else flag.shows
    return click.Option(
        names, type=kind, metavar=metavar, default=flag.default, envvar=flag.env, help=flag.about, show_default=True
    )


def _run(**given: Any) -> int:
    return run(given)


sync = Command("sync", callback=_run, params=[_option(flag) for flag in FLAGS], help=ABOUT, example=EXAMPLE)

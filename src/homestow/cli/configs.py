"""`homestow config`: the settings of the isync server under their own names, in DATA/appConfigs.json."""

import os
from pathlib import Path

import click

from homestow.cli.asking import Command, data_option
from homestow.cli.troubles import USAGE, Trouble, one_line
from homestow.values.errors import BadSettings

_ABOUT = {
    "logFileName": "A file for the server's log.",
    "thumbPath": "Where thumbnails are kept.",
    "defaultUserPath": "Folder in which users without a root get one.",
    "shareUrlThreshold": "How many shared links live at once.",
    "shareUrlTimeout": "Seconds a shared link lives unused.",
    "onlineThreshold": "How many sessions live at once.",
    "onlineTimeout": "Seconds a session lives unused.",
}


@click.command("config", cls=Command, example="homestow config --onlineThreshold=500 --thumbPath=/mnt/disk/thumbs")
@data_option
def config(data: Path, **given: str | None) -> int:
    """Show the settings of the isync calls, or set those that are given.

    They are kept in DATA/appConfigs.json; homestow.toml and the environment win over it. A running server reads them when it
    starts again.
    """
    from homestow.server import app_configs
    from homestow.server.settings import DataFolder, load

    folder = DataFolder(data).make()
    path = folder.path / app_configs.FILE
    changes: dict[str, str | int] = {}
    for name, value in given.items():
        key = next(each for each in app_configs.SETTINGS if each.lower() == name.lower())
        if value is not None:
            try:
                changes[key] = app_configs.typed(key, value, Path.cwd(), "--")
                if isinstance(changes[key], int):
                    load(folder.path, {}, {app_configs.SETTINGS[key]: changes[key]})
            except BadSettings as error:
                raise Trouble(f"--{key}={value}: {error.message.partition(': ')[2] or error.message}", USAGE) from error
    if changes:
        app_configs.write(path, changes)
    settings = load(folder.path, os.environ, {})
    for key, name in app_configs.SETTINGS.items():
        now = getattr(settings, name)
        shown = one_line(str(now)) if now is not None else "(in the data folder)" if key != "logFileName" else "(none)"
        print(f"{key} = {shown}")
        if key in changes and now != changes[key]:
            print(f"  homestow.toml or HOMESTOW_{name.upper()} says {name}, which wins over {path.name}.")
    if changes:
        print(f"Written to {path}; a running server reads it when it starts again.")
    return 0


for _key in _ABOUT:
    click.option(
        f"--{_key}", _key.lower(), metavar="PATH" if "ath" in _key or "File" in _key else "N", help=_ABOUT[_key]
    )(config)

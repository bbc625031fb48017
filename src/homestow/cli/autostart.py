"""`homestow autostart`: whether the sync service begins with the desktop session."""

from contextlib import suppress
from typing import Literal

import click
import msgspec

from homestow.cli.asking import Group
from homestow.cli.troubles import one_line
from homestow.client.adapters.autostart import Autostart, Kind, states, turn_off, turn_on
from homestow.values.errors import CloudError

_WAYS = {
    Kind.XDG: "with the desktop session (XDG autostart)",
    Kind.SYSTEMD: "with the login, by systemd",
    Kind.LAUNCHD: "with the login, by launchd",
}


@click.group(cls=Group)
def autostart() -> None:
    """Begin the sync service of the stored jobs with your desktop session: on, off, show."""


@autostart.command(example="homestow autostart on\nhomestow autostart on --by systemd")
@click.option("--by", type=click.Choice(["xdg", "systemd"]), help="How; by itself what this computer's sessions use.")
def on(by: Literal["xdg", "systemd"] | None) -> None:
    """Begin the service with your session, from the next one on. It is not started now: that is `homestow sync`."""
    _tell_service(on=True)
    print(_line(turn_on(None if by is None else Kind(by))))


@autostart.command(example="homestow autostart off")
def off() -> None:
    """Do not begin the service with your session any more. One that runs goes on."""
    _tell_service(on=False)
    removed = turn_off()
    print(
        "the service does not begin with your session any more." if removed else "it did not begin with your session."
    )


@autostart.command(example="homestow autostart show")
def show() -> None:
    """Tell whether the service begins with your session, and by which file."""
    found = [state for state in states() if state.on]
    for state in found:
        print(_line(state))
    if not found:
        print("off: the service begins only when you start it. To change that: homestow autostart on")


def _line(state: Autostart) -> str:
    return one_line(f"on: the service begins {_WAYS[state.kind]}, {state.path}")


def _tell_service(*, on: bool) -> None:
    """The service's settings say the same, in one that runs and in the next one."""
    from homestow.client.adapters.settings_file import FileSettings
    from homestow.client.adapters.this_computer import client_folder
    from homestow.client.control.link import Link
    from homestow.client.control.places import SERVICE, find
    from homestow.wire.control import ChangeSettings, GetSettings

    place = find(SERVICE)
    if place is None:
        stored = FileSettings(client_folder() / "settings.json")
        settings = stored.load()
        if settings.autostart is not on:
            stored.save(msgspec.structs.replace(settings, autostart=on))
        return
    link = Link(place)
    try:
        with suppress(CloudError):
            settings = link.ask(GetSettings(), timeout_s=5)
            if settings.autostart is not on:
                link.ask(ChangeSettings(settings=msgspec.structs.replace(settings, autostart=on)), timeout_s=10)
    finally:
        link.close()

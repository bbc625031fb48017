"""`homestow ui`: the window of the sync service; where there can be none, the same in a browser page."""

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import click

from homestow.cli.asking import Command
from homestow.cli.troubles import FINE, TROUBLE, Trouble
from homestow.client.adapters.this_computer import client_folder
from homestow.client.apps.qt import starting
from homestow.values.errors import CloudError, ServerError, StorageFailed
from homestow.wire.control import OpenPage

if TYPE_CHECKING:
    from homestow.client.control.link import Link

INSTALL: Final = "pip install 'homestow[qt]'"
_STARTS_S: Final = 30.0
_LOOK_S: Final = 0.1


@click.command(cls=Command, example="homestow ui\nhomestow ui --page")
@click.option("--page", is_flag=True, help="The browser page, also where the window could be had.")
@click.option("--hidden", is_flag=True, help="Begin with the tray icon alone, where the desktop has a tray.")
@click.option(
    "--look",
    type=click.Choice(["system", "light", "dark"]),
    default="system",
    help="How the window looks.",
    show_default=True,
)
def ui(page: bool, hidden: bool, look: str) -> int:
    """Open the window of the sync service, and start the service when it does not run.

    It shows the window that is open already, if there is one. Without a desktop, or without the window's part of the
    installation, it opens the same in the browser: a page that only this computer can reach.
    """
    why = "" if page else missing(os.environ)
    if not page and not why:
        return _window(hidden, look)
    return _page(why)


def missing(environment: Mapping[str, str]) -> str:
    """Why there can be no window here, and what to do; "" there can."""
    if not has_desktop(environment):
        return "There is no desktop to show a window on."
    if find_spec("PySide6") is None:
        return f"The window's part is not installed; this installs it: {INSTALL}"
    try:
        from PySide6 import QtWidgets  # noqa: F401  # asked whether the system has what it needs
    except ImportError as error:
        return f"The window cannot be shown, since the system lacks something of Qt: {error}."
    return ""


def has_desktop(environment: Mapping[str, str]) -> bool:
    """Whether a desktop session is here that could show a window or a browser."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))


def _launch() -> None:
    starting.launch(client_folder() / "service.log")


def _window(hidden: bool, look: str) -> int:
    from homestow.client.apps.qt import single

    first: single.First | None = None
    # Without a folder for the lock the window is just one more.
    with suppress(StorageFailed):
        first = single.take()
        if first is None:
            click.echo("The window is open already; it was asked to come to the front.")
            return FINE
    try:
        from homestow.client.apps.qt.app import Wishes, main
        from homestow.client.apps.qt.theme import Choice

        chosen: Choice = "light" if look == "light" else "dark" if look == "dark" else "system"
        return main(
            partial(starting.connect),
            _launch,
            Wishes(launch_at_once=True, hidden=hidden, look=chosen),
            first,
        )
    finally:
        if first is not None:
            first.release()


def _page(why: str) -> int:
    """Open the page in the browser, and say where it is."""
    link = _reach()
    try:
        url = link.ask(OpenPage()).url
    except CloudError as error:
        raise Trouble(f"the browser page cannot be opened: {error}", TROUBLE) from error
    finally:
        link.close()
    if not starting.is_loopback(url):
        raise Trouble(
            f"the sync service named a page that is not on this computer, which is not opened: {url}", TROUBLE
        )
    if why:
        click.echo(why)
    click.echo(f"Open this in your browser within ten minutes; it works once: {url}")
    if has_desktop(os.environ):
        import webbrowser

        webbrowser.open(url)
    return FINE


def _reach() -> "Link":
    """A link to the service, which is started when it does not run."""
    link = starting.connect()
    if link is not None:
        return link
    try:
        _launch()
    except (ServerError, OSError) as error:
        raise Trouble(str(error), TROUBLE) from error
    give_up = time.monotonic() + _STARTS_S
    while time.monotonic() < give_up:
        link = starting.connect()
        if link is not None:
            return link
        time.sleep(_LOOK_S)
    raise Trouble(
        f"the sync service was started but does not answer; {client_folder() / 'service.log'} tells why.", TROUBLE
    )

"""`homestow ui` chooses between window and page, and opens nothing but a page of this computer."""

import sys

import pytest

from homestow.cli import ui
from homestow.client.apps.qt import starting


@pytest.mark.parametrize(
    "environment, has",
    [
        ({}, False),
        ({"DISPLAY": ""}, False),
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"QT_QPA_PLATFORM": "offscreen"}, True),
    ],
)
@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="these always have a desktop")
def test_a_desktop_is_known_by_its_variables(environment: dict[str, str], has: bool) -> None:
    """Without a display Qt would end the process; so it is not asked."""
    assert ui.has_desktop(environment) is has


def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who has no window is told the one command that brings it."""
    monkeypatch.setattr(ui, "find_spec", lambda name: None)

    assert ui.INSTALL in ui.missing({"DISPLAY": ":0"})


@pytest.mark.parametrize(
    "url, here",
    [
        ("http://127.0.0.1:5559/#key=a", True),
        ("http://[::1]:5559/", True),
        ("http://localhost:1/", True),
        ("https://127.0.0.1/", False),
        ("http://127.0.0.1.example.org/", False),
        ("http://127.0.0.1@example.org/", False),
        ("http://127.0.0.1:80@example.org/", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_only_pages_of_this_computer_are_opened(url: str, here: bool) -> None:
    """Whatever answers as the service cannot send the browser elsewhere."""
    assert starting.is_loopback(url) is here

"""What the window's tests do in processes of their own: `python -m tests.journeys.window_acts ACT`, under an X server.

Each act raises when its promise is broken; its name and what it promises stand in `test_window.py`.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from tests.journeys.cli_processes import HOMESTOW, PASSWORD, Home, Serving, stop, wait_for
from tests.journeys.window_rig import Rig

from homestow.client.apps.qt import starting
from homestow.client.apps.qt.conflicts import ConflictsPage
from homestow.client.control.link import Link
from homestow.wire.control import AddJob, JobConfig, LogIn

HOME = Path(os.environ["HOME"])


@contextmanager
def served(*files: tuple[str, str]) -> Iterator[tuple[Home, Serving]]:
    """A server with Anna's account, and these files in her own root."""
    home = Home(HOME / "server")
    home.fine("user", "add", "anna", "--data", home.data)
    folder = home.data / "files" / "anna"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files:
        (folder / name).write_text(text)
    with home.server() as serving:
        yield home, serving


@contextmanager
def service() -> Iterator["subprocess.Popen[bytes]"]:
    """The sync service of Anna's stored jobs."""
    process = begin_service()
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def begin_service() -> "subprocess.Popen[bytes]":
    """Start it, and wait until it answers."""
    with open(HOME / "service.log", "ab") as log:
        process = subprocess.Popen(
            [*HOMESTOW, "sync"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=HOME
        )

    def answers() -> bool:
        assert process.poll() is None, (HOME / "service.log").read_text()
        link = starting.connect()
        if link is not None:
            link.close()
        return link is not None

    wait_for(answers, "the service")
    return process


def a_job(url: str, folder: str = "Documents") -> Path:
    """A job of Anna's, made by orders; gives its folder."""
    link = starting.connect()
    assert isinstance(link, Link)
    directory = HOME / folder
    link.ask(LogIn(url=url, user="anna", password=PASSWORD))
    link.ask(AddJob(config=JobConfig(server=url, directory=str(directory), user="anna", label=folder)))
    link.close()
    return directory


def on_server(home: Home, name: str) -> str | None:
    """What the server's file of that name holds."""
    file = home.data / "files" / "anna" / name
    return file.read_text() if file.is_file() else None


def in_step(rig: Rig, name: str = "Documents") -> None:
    """Wait until a folder is in step."""
    rig.until(lambda: rig.card(name).job.state == "synced", f"{name} in step")


# --- acts -------------------------------------------------------------------------------------------------------------


def wizard_by_keyboard() -> None:
    """From nothing to the first synced file, without a mouse."""
    with served(("hello.txt", "hello from the server")) as (_, serving), service():
        rig = Rig(starting.connect)
        QTest.keyClick(rig.window, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
        wizard = rig.wizard()
        server, login, spaces, folder, _, _ = wizard.steps
        assert rig.qt.focusWidget() is server.address, (rig.qt.focusWidget(), rig.qt.activeWindow(), server.address.hasFocus(), wizard.focusWidget())  # type: ignore[attr-defined]  # of ServerStep
        rig.keys("http://127.0.0.1:1", Qt.Key.Key_Return)
        rig.until(lambda: not server.wrong.isHidden(), "the error at the address")  # type: ignore[attr-defined]
        assert "does not answer" in server.wrong.text()  # type: ignore[attr-defined]
        field = rig.qt.focusWidget()
        assert isinstance(field, QLineEdit)
        field.selectAll()
        rig.keys(serving.url, Qt.Key.Key_Return)
        rig.until(lambda: wizard.step is login, "the login")
        rig.keys("anna", Qt.Key.Key_Tab, "wrong password", Qt.Key.Key_Return)
        rig.until(lambda: not login.wrong.isHidden(), "the error at the password")  # type: ignore[attr-defined]
        assert rig.qt.focusWidget() is login.password  # type: ignore[attr-defined]
        assert login.password.text() == ""  # type: ignore[attr-defined]
        rig.keys(PASSWORD, Qt.Key.Key_Return)
        rig.until(lambda: wizard.step is spaces, "the workspaces")
        rig.keys(Qt.Key.Key_Return)
        rig.until(lambda: wizard.step is folder, "the folder")
        field = rig.qt.focusWidget()
        assert isinstance(field, QLineEdit)
        field.selectAll()
        rig.keys(str(HOME / "My files"), Qt.Key.Key_Return)
        rig.until(lambda: wizard.step is wizard.steps[4], "the options")
        QTest.keyClick(wizard, Qt.Key.Key_B, Qt.KeyboardModifier.AltModifier)
        rig.until(lambda: wizard.step is folder, "back at the folder")
        rig.keys(Qt.Key.Key_Return)
        rig.until(lambda: wizard.step is wizard.steps[4], "the options again")
        rig.tab_to(wizard.next)
        rig.keys(Qt.Key.Key_Space)
        rig.until(lambda: wizard.step is wizard.steps[5], "the summary")
        rig.keys(Qt.Key.Key_Return)
        file = HOME / "My files" / "hello.txt"
        rig.until(file.is_file, "the first file")
        assert file.read_text() == "hello from the server"
        in_step(rig, "My files")
        rig.end()
        kept = "".join(
            each.read_text("utf-8", "replace") for each in HOME.rglob("*.json") if "server" not in each.parts
        )
        assert PASSWORD not in kept + (HOME / "service.log").read_text()


def pause_and_resume() -> None:
    """While a folder is paused nothing moves; then it does."""
    with served() as (home, serving), service():
        folder = a_job(serving.url)
        rig = Rig(starting.connect)
        in_step(rig)
        rig.press("Pause: Documents")
        rig.until(lambda: rig.card("Documents").job.paused, "the pause")
        (folder / "new.txt").write_text("made in the pause")
        rig.breathe(1.5)
        assert on_server(home, "new.txt") is None
        rig.press("Resume: Documents")
        rig.until(lambda: on_server(home, "new.txt") == "made in the pause", "the file on the server")
        in_step(rig)
        rig.end()


def conflict_settled() -> None:
    """Two edits of one file: both shown, the other computer's chosen, and that is the file everywhere."""
    with served(("plan.txt", "first\n")) as (home, serving), service():
        folder = a_job(serving.url)
        rig = Rig(starting.connect)
        in_step(rig)
        rig.press("Pause: Documents")
        rig.until(lambda: rig.card("Documents").job.paused, "the pause")
        (folder / "plan.txt").write_text("first\nof this computer\n")
        ben = Home(HOME / "ben")
        args = ("sync", "-s", serving.url, "-u", "anna", "-d", ben.path / "Documents", "--once")
        ben.fine(*args)
        (ben.path / "Documents" / "plan.txt").write_text("first\nof the other\n")
        ben.fine(*args)
        rig.press("Resume: Documents")
        rig.until(lambda: rig.card("Documents").job.conflicts == 1, "the conflict")
        rig.press("1 conflict", rig.card("Documents"))
        page = rig.until(lambda: rig.window.findChild(ConflictsPage), "the page")
        rig.until(lambda: page.list.count() == 1, "the conflict in the list")
        rig.until(page.copy.keep.isEnabled, "both on the server")
        rig.until(lambda: "of this computer" in page.copy.text.toPlainText(), "the copy's text")
        assert "of the other" in page.original.text.toPlainText()
        QTest.mouseClick(page.copy.keep, Qt.MouseButton.LeftButton)
        rig.until(lambda: not page.note.isHidden(), "the result")
        assert "plan.txt is now the version from" in page.said.text()
        rig.until(lambda: on_server(home, "plan.txt") == "first\nof this computer\n", "the choice on the server")
        rig.until(lambda: [each.name for each in folder.iterdir() if each.is_file()] == ["plan.txt"], "the copy gone")
        assert page.list.count() == 0
        rig.end()


def server_away_and_back() -> None:
    """A server that goes away is told with what to do; when it is back, what was made meanwhile arrives."""
    with served() as (home, serving), service():
        folder = a_job(serving.url)
        rig = Rig(starting.connect)
        in_step(rig)
        stop(serving.process)
        (folder / "meanwhile.txt").write_text("made while it was away")
        rig.until(lambda: rig.card("Documents").job.state == "waiting", "waiting")
        card = rig.card("Documents")
        told = rig.until(lambda: card._trouble, "what is wrong")
        assert "does not answer" in told.heading.text(), told.heading.text()
        assert told.text.text()
        port = serving.url.rpartition(":")[2]
        again = home.popen("serve", "--data", home.data, "--http", f"127.0.0.1:{port}")
        try:
            rig.until(lambda: on_server(home, "meanwhile.txt") is not None, "the file on the server")
            in_step(rig)
            rig.end()
        finally:
            stop(again)


def service_killed_and_back() -> None:
    """A service that is killed is missed at once, and started again from the window; nothing is lost."""
    with served() as (home, serving):
        process = begin_service()
        folder = a_job(serving.url)
        rig = Rig(starting.connect, lambda: starting.launch(HOME / "launched.log"))
        in_step(rig)
        process.kill()
        process.wait()
        rig.until(lambda: not rig.model.connected, "the window's notice")
        (folder / "between.txt").write_text("made between the two")
        rig.until(lambda: not rig.window._banner.isHidden(), "the banner")  # type: ignore[attr-defined]
        rig.press("Start", rig.window._banner)  # type: ignore[attr-defined]
        rig.until(lambda: rig.model.connected, "the service again")
        rig.until(lambda: on_server(home, "between.txt") == "made between the two", "the file on the server")
        in_step(rig)
        pid = rig.model.about.pid
        rig.end()
        os.kill(pid, signal.SIGTERM)


ACTS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (wizard_by_keyboard, pause_and_resume, conflict_settled, server_away_and_back, service_killed_and_back)
}

if __name__ == "__main__":
    ACTS[sys.argv[1]]()
    print(json.dumps({"done": sys.argv[1]}))  # noqa: T201  # the test reads it

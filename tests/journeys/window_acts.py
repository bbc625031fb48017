"""What the window's tests do in processes of their own: `python -m tests.journeys.window_acts ACT`, under an X server.

Each act raises when its promise is broken; its name and what it promises stand in `test_window.py`.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QPushButton, QWidget
from tests.control_twin import BRAKE, TwinService
from tests.journeys.cli_processes import HOMESTOW, PASSWORD, Home, Serving, stop, wait_for
from tests.journeys.window_rig import DirectLine, Rig

from homestow.client.apps.qt import single, starting
from homestow.client.apps.qt.app import Wishes
from homestow.client.apps.qt.conflicts import ConflictsPage
from homestow.client.apps.qt.editor import JobEditor
from homestow.client.apps.qt.share import ShareDialog
from homestow.client.apps.qt.wizard import Wizard
from homestow.client.apps.texts import Texts
from homestow.client.control import places
from homestow.client.control.link import Link
from homestow.wire.control import AddJob, AnyOrder, CheckServer, JobConfig, LogIn, Share, Unshare

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
        server, login, spaces, folder, _, _ = cast("tuple[Any, ...]", wizard.steps)
        assert rig.qt.focusWidget() is server.address, (
            rig.qt.focusWidget(),
            rig.qt.activeWindow(),
            server.address.hasFocus(),
            wizard.focusWidget(),
        )
        rig.keys("http://127.0.0.1:1", Qt.Key.Key_Return)
        rig.until(lambda: not server.wrong.isHidden(), "the error at the address")
        assert "does not answer" in server.wrong.text()
        field = rig.qt.focusWidget()
        assert isinstance(field, QLineEdit)
        field.selectAll()
        rig.keys(serving.url, Qt.Key.Key_Return)
        rig.until(lambda: wizard.step is login, "the login")
        rig.keys("anna", Qt.Key.Key_Tab, "wrong password", Qt.Key.Key_Return)
        rig.until(lambda: not login.wrong.isHidden(), "the error at the password")
        assert rig.qt.focusWidget() == login.password
        assert login.password.text() == ""
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
        window: Any = rig.window
        in_step(rig)
        process.kill()
        process.wait()
        rig.until(lambda: not rig.model.connected, "the window's notice")
        (folder / "between.txt").write_text("made between the two")
        rig.until(lambda: not window._banner.isHidden(), "the banner")
        rig.press("Start", window._banner)
        try:
            rig.until(lambda: rig.model.connected, "the service again")
            rig.until(lambda: on_server(home, "between.txt") == "made between the two", "the file on the server")
            in_step(rig)
            rig.end()
        finally:
            again = places.holder(places.SERVICE)
            if again is not None:
                os.kill(again.pid, signal.SIGTERM)


def window_killed() -> None:
    """kill -9 of `homestow ui`: the service goes on, and the next window opens as ever."""
    with served() as (home, serving), service():
        folder = a_job(serving.url)
        first = a_window()
        first.kill()
        first.communicate()
        (folder / "after.txt").write_text("made after the window was killed")
        wait_for(lambda: on_server(home, "after.txt") is not None, "the file on the server")
        second = a_window()
        left = stop(second)
        assert (left.code, left.err) == (0, ""), left


def a_window() -> "subprocess.Popen[str]":
    """A real `homestow ui` that is open."""
    process = Home(HOME).popen("ui", env=dict(os.environ))

    def is_open() -> bool:
        assert process.poll() is None, process.communicate()
        return places.holder(single.NAME) is not None

    wait_for(is_open, "the window")
    assert "open already" in Home(HOME).run("ui", env=dict(os.environ)).out
    return process


def all_screens(rig: Rig, twin: TwinService) -> Iterator[tuple[str, QWidget]]:
    """Each page and dialog of the window in turn, each step of the wizard among them."""
    window: Any = rig.window
    rig.until(lambda: window.find_page("folders"), "the first page")
    for page in ("folders", "activity", "problems", "conflicts", "settings"):
        window.go(page)
        rig.breathe(0.4)
        yield page, window
    twin.move("documents", state="asking", brake=BRAKE)
    twin.move("photos", state="failed", code="login-needed", why="Give the password.")
    window.go("folders")
    rig.breathe(0.4)
    yield "questions", window
    texts, model = window._texts, rig.model
    wizard = Wizard(model, texts, window)
    wizard.open()
    steps: Any = wizard.steps
    rig.until(steps[0].found.count, "the server in the network")
    steps[0].address.setText("http://192.168.7.7:5000")
    rig.breathe(0.1)
    yield "unencrypted", wizard
    steps[0].address.setText("https://home.example.org")

    def at_step(step: object) -> bool:
        return wizard.step is step

    for number, step in enumerate(steps):
        if number == 1:
            steps[1].user.setText("anna")
        rig.until(partial(at_step, step), f"step {number + 1}")
        rig.until(wizard.next.isEnabled, "next")
        rig.breathe(0.6)
        yield f"wizard {number + 1}", wizard
        if number < 5:
            wizard.next.click()
    wizard.reject()
    share = ShareDialog(model, texts, "photos", "2026", window)
    share.open()
    share.guarded.setChecked(True)
    rig.breathe(0.1)
    yield "share", share
    share.guarded.setChecked(False)
    share.make.click()
    rig.until(lambda: share.made, "the link")
    yield "shared", share
    share.reject()
    editor = JobEditor(model, texts, model.job("documents").config, window)
    editor.open()
    rig.breathe(0.2)
    yield "editor", editor
    editor.reject()


def spoken_name(widget: QWidget) -> str:
    """What a screen reader calls it."""
    seen: Any = QAccessible.queryAccessibleInterface(widget)
    return "" if seen is None else str(seen.text(QAccessible.Text.Name))


def takes_keys(widget: QWidget) -> bool:
    """Whether Tab can come to it."""
    # The line in a spin box speaks by the spin box.
    inner = widget.objectName() == "qt_spinbox_lineedit"
    return (
        widget.isVisible() and widget.isEnabled() and bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and not inner
    )


def accessible() -> None:
    """Whatever can have the focus has a name, on every screen; nothing is asked for by colour or mouse alone."""
    twin = TwinService()
    rig = Rig(lambda: DirectLine(twin))
    nameless = []
    for screen, top in all_screens(rig, twin):
        for widget in cast("list[QWidget]", top.findChildren(QWidget)):
            if takes_keys(widget) and not spoken_name(widget).strip():
                nameless.append(f"{screen}: {type(widget).__name__} in {type(widget.parentWidget()).__name__}")
    assert nameless == [], nameless
    rig.end()


def fits() -> None:
    """On every screen nothing sticks out of its window, and no button's words are cut."""
    twin = TwinService()
    language = os.environ.get("ACT_LANGUAGE", "en")
    rig = Rig(lambda: DirectLine(twin), wishes=Wishes(tray=False, language=language, look="dark"))
    assert rig.window.devicePixelRatioF() == float(os.environ.get("QT_SCALE_FACTOR", "1"))
    cut = []
    for screen, top in all_screens(rig, twin):
        for button in cast("list[QPushButton]", top.findChildren(QPushButton)):
            if button.isVisible():
                words = button.fontMetrics().horizontalAdvance(button.text().replace("&", ""))
                if words > button.width():
                    cut.append(f"{screen}: {button.text()!r} has {button.width()} of {words}")
                at = button.mapTo(top, button.rect().topRight())
                if at.x() > top.width():
                    cut.append(f"{screen}: {button.text()!r} sticks out")
    assert cut == [], cut
    rig.end()


def wizard_by_mouse() -> None:
    """Every question with what can go wrong: each error at its field, the way back keeps the answers, folders as they open."""
    twin = TwinService(jobs=False)
    rig = Rig(lambda: DirectLine(twin))
    rig.press("Add folder")
    wizard = rig.wizard()
    server, login, spaces, folder, options, summary = cast("tuple[Any, ...]", wizard.steps)
    rig.until(server.found.count, "the server in the network")
    server.address.setText("http://192.168.7.7:5000")
    assert server.open_card.isVisible()
    assert not wizard.next.isEnabled()
    rig.press("Connect all the same", wizard)
    assert wizard.next.isEnabled()
    QTest.mouseClick(
        server.found.viewport(),
        Qt.MouseButton.LeftButton,
        pos=server.found.visualItemRect(server.found.item(0)).center(),
    )
    assert server.address.text() == "https://home.example.org"
    assert not server.open_card.isVisible()
    rig.press("Next", wizard)
    rig.until(lambda: wizard.step is login, "the login")
    login.user.setText("ben")
    assert not wizard.next.isEnabled(), "there is no login of Ben's yet"
    login.password.setText("staple staple staple")
    rig.press("Next", wizard)
    rig.until(lambda: wizard.step is spaces, "the workspaces")
    assert login.password.text() == ""
    spaces.spaces.setCurrentRow(1)
    rig.until(lambda: spaces.tree.topLevelItem(0).childCount() == 2, "the folders of Photos")
    spaces.tree.setCurrentItem(spaces.tree.topLevelItem(0).child(1))
    spaces.name.setText("Winter")
    rig.press("Make folder", wizard)
    rig.until(lambda: spaces.tree.currentItem().text(0) == "Winter", "the new folder")
    assert "2026/Winter" in twin.servers[0].folders["Photos"]
    rig.press("Next", wizard)
    rig.until(lambda: wizard.step is folder, "the folder")
    assert folder.path.text().endswith("/Homestow/Winter")
    folder.path.setText("somewhere")
    rig.press("Next", wizard)
    rig.until(folder.wrong.isVisible, "what is against it")
    full = HOME / "Winter"
    full.mkdir()
    (full / "snow.txt").write_text("snow")
    folder.path.setText(str(full))
    rig.until(folder.seen_card.isVisible, "what is in it")
    assert folder.holds.text() == "The folder holds 1 file (4 B)."
    rig.press("Next", wizard)
    rig.until(lambda: wizard.step is options, "the options")
    options.name.setText("Snow")
    options.direction.take("up")
    options.frequency.take("time")
    options.excludes.setPlainText("*.tmp\n\n  raw  ")
    rig.press("Next", wizard)
    rig.until(lambda: wizard.step is summary, "the summary")
    rig.press("Back", wizard)
    rig.until(lambda: wizard.step is options, "the options again")
    assert options.name.text() == "Snow"
    rig.press("Next", wizard)
    rig.press("Start syncing", wizard)
    rig.until(twin.jobs, "the job")
    config = twin.jobs()[0].config
    assert (config.server, config.user, config.workspace) == ("https://home.example.org", "ben", "Photos")
    assert (config.remote_folder, config.directory, config.label) == ("2026/Winter", str(full), "Snow")
    assert (config.direction, config.frequency, config.start_time.h) == ("up", "time", 3)
    assert config.filters.excludes == ("*.tmp", "raw")
    assert not any(getattr(order, "password", None) for order in twin.given if not isinstance(order, LogIn))
    rig.end()


def wizard_waits() -> None:
    """While the server is slow the wizard lives: Back leaves the question, and the answer that comes too late changes nothing."""
    twin = TwinService(jobs=False)
    go_on = threading.Event()

    def slowly(order: AnyOrder) -> None:
        if isinstance(order, CheckServer):
            go_on.wait(20)

    twin.before = slowly
    rig = Rig(lambda: DirectLine(twin))
    rig.press("Add folder")
    wizard = rig.wizard()
    server: Any = wizard.steps[0]
    server.address.setText("https://home.example.org")
    rig.press("Next", wizard)
    rig.until(lambda: not wizard.next.isEnabled(), "the wait")
    rig.keys(Qt.Key.Key_Escape, to=wizard)
    rig.until(
        lambda: not any(isinstance(each, Wizard) and each.isVisible() for each in rig.qt.topLevelWidgets()), "the end"
    )
    go_on.set()
    rig.breathe(0.5)
    assert twin.jobs() == ()
    rig.end()


def conflict_kinds() -> None:
    """Pictures as pictures turned as the camera says, texts with their differences, the rest by facts; all of one folder at once."""
    twin = TwinService(jobs=False)
    place = HOME / "Pictures"
    place.mkdir()
    tall = Image.new("RGB", (400, 200), (200, 40, 40))
    turned = Image.Exif()
    turned[274] = 6
    tall.save(place / "a.jpg", exif=turned)
    Image.new("RGB", (300, 100), (40, 40, 200)).save(place / "b.jpg")
    (place / "c.md").write_text("same\nleft\nsame\n")
    (place / "d.md").write_text("same\nright\nsame\nmore\n")
    (place / "e.bin").write_bytes(bytes(range(256)) * 40)
    os.mkfifo(place / "pipe.jpg")
    twin.add(JobConfig(id="p", label="Pictures", server="https://home.example.org", user="anna", directory=str(place)))
    twin.clash("p", "a.jpg", "b.jpg")
    twin.clash("p", "c.md", "d.md")
    twin.clash("p", "e.bin", "pipe.jpg", ready=False)
    rig = Rig(lambda: DirectLine(twin))
    window: Any = rig.window
    rig.press("Conflicts")
    page: Any = rig.until(lambda: window.findChild(ConflictsPage), "the page")
    rig.until(lambda: page.list.count() == 3, "the conflicts")
    rig.until(page.copy.picture.isVisible, "the pictures")
    assert "200 × 400" in page.original.facts.accessibleName()
    assert "300 × 100" in page.copy.facts.accessibleName()
    page.list.setCurrentRow(1)
    rig.until(page.copy.text.isVisible, "the texts")
    assert page.original.text.toPlainText().splitlines()[:3] == ["  same", "≠ left", "  same"]
    assert page.copy.text.toPlainText().splitlines() == ["  same", "≠ right", "  same", "+ more"]
    assert page.differs.text() == "They differ in 2 places."
    page.list.setCurrentRow(2)
    rig.until(lambda: "No preview" in page.original.none.text(), "the facts")
    assert "not on this computer" in page.copy.none.text()
    assert page.wait.isVisible()
    assert not page.both.isEnabled()
    rig.press("Do the same for all 3", page)
    rig.press("Keep both (3", page)
    rig.until(page.note.isVisible, "the refusal")
    assert "not on the server yet" in page.said.text()
    assert page.list.count() == 3
    page.list.setCurrentRow(0)
    page.all.setChecked(False)
    QTest.mouseClick(page.original.keep, Qt.MouseButton.LeftButton)
    rig.until(lambda: page.list.count() == 2, "the choice")
    assert page.said.text().startswith("a.jpg stays as it is.")
    rig.end()


def a_link() -> None:
    """A link with a password and an end is made, copied, and ended."""
    twin = TwinService()
    rig = Rig(lambda: DirectLine(twin))
    share: Any = ShareDialog(rig.model, Texts("en"), "photos", "2026/Sommer", rig.window)
    share.open()
    share.days.take("7")
    rig.press("Ask for a password", share)
    share.password.setText("short")
    assert not share.make.isEnabled()
    share.password.setText("long enough")
    rig.press("Make link", share)
    rig.until(lambda: share.made, "the link")
    order = twin.given[-1]
    assert isinstance(order, Share)
    assert (order.path, order.days, order.password) == ("2026/Sommer", 7, "long enough")
    assert share.password.text() == ""
    rig.press("Copy", share)
    assert rig.qt.clipboard().text() == share.link.text() != ""
    rig.press("End this link", share)
    rig.until(lambda: share.made is None, "the end")
    assert isinstance(twin.given[-1], Unshare)
    share.reject()
    rig.end()


ACTS: dict[str, Callable[[], None]] = {
    each.__name__: each
    for each in (
        *(wizard_by_keyboard, wizard_by_mouse, wizard_waits, pause_and_resume, conflict_settled, conflict_kinds),
        *(server_away_and_back, service_killed_and_back, window_killed, accessible, fits, a_link),
    )
}

if __name__ == "__main__":
    ACTS[sys.argv[1]]()
    print(json.dumps({"done": sys.argv[1]}))  # noqa: T201  # the test reads it

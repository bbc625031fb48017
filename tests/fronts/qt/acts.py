"""What the tests of the window's frame do in processes of their own: `python -m tests.fronts.qt.acts ACT`, under an X server.

Each act raises when its promise is broken; its name and what it promises stand in `test_frame.py`. The service is the twin.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QWidget
from tests.control_twin import BRAKE, TwinService
from tests.journeys.window_rig import DirectLine, Rig

from homestow.client.apps.qt import starting, theme
from homestow.client.apps.qt.activity import ActivityPage
from homestow.client.apps.qt.app import Wishes
from homestow.client.apps.qt.asking import LogInAgain, Question
from homestow.client.apps.qt.balloons import Balloons
from homestow.client.apps.qt.editor import JobEditor
from homestow.client.apps.qt.lists import Row
from homestow.client.apps.qt.model import Connection
from homestow.client.apps.qt.problems import ProblemsPage
from homestow.client.apps.qt.settings import SettingsPage
from homestow.client.apps.qt.tray import Tray
from homestow.client.apps.qt.window import MainWindow
from homestow.client.control import places
from homestow.client.control.hub import Hub
from homestow.values.errors import BadSettings
from homestow.wire.control import (
    AcceptDeletes,
    AnyOrder,
    ChangeJob,
    Enable,
    Event,
    JobNow,
    Pause,
    Problem,
    Reload,
    RemoveJob,
    Settings,
    Start,
)

STALL_S = 0.1
"""No turn of the window's loop may take longer."""

FILES = 100_000
PAGES = ("folders", "activity", "problems", "conflicts", "settings")
W = TypeVar("W", bound=QWidget)


def rig_of(twin: TwinService, **wishes: Any) -> Rig:
    """A window of the twin, without sockets in between."""
    return Rig(lambda: DirectLine(twin), wishes=Wishes(**{"tray": False, "language": "en", "look": "light", **wishes}))


def page(rig: Rig, name: str, kind: type[W]) -> W:
    """Go to a page and wait for it."""
    window = cast("MainWindow", rig.window)
    rig.until(lambda: window.find_page("folders") is not None, "the first page")
    window.go(name)
    return cast("W", rig.until(lambda: window.find_page(name), name))


def shown(rig: Rig, kind: type[W]) -> W:
    """The shown top level widget of a kind."""

    def find() -> W | None:
        found = (each for each in rig.qt.topLevelWidgets() if isinstance(each, kind) and each.isVisible())
        return next(cast("Any", found), None)

    return cast("W", rig.until(find, kind.__name__))


def gave(rig: Rig, twin: TwinService, order: AnyOrder) -> None:
    """The twin got this order, just now."""
    rig.until(lambda: order in twin.given, f"the order {order}")
    twin.given.clear()


# --- acts -------------------------------------------------------------------------------------------------------------


def keyboard_and_names() -> dict[str, object]:
    """Each page by its keys; everything that can be reached has a name."""
    rig = rig_of(TwinService())
    window = cast("MainWindow", rig.window)
    rig.until(lambda: window.find_page("folders") is not None, "the first page")
    assert [name for name in PAGES if window.find_page(name)] == ["folders"], "pages are made when they are wanted"
    for number, name in enumerate(PAGES, 1):
        QTest.keyClick(window, cast("Qt.Key", Qt.Key.Key_0.value + number), Qt.KeyboardModifier.ControlModifier)
        rig.until(partial(window.find_page, name), name)
        rig.breathe(0.2)
        for widget in cast("list[QWidget]", window.findChildren(QWidget)):
            if widget.isVisible() and widget.focusPolicy() & Qt.FocusPolicy.TabFocus and not widget.objectName():
                assert widget.accessibleName(), f"{name}: {type(widget).__name__} has no name"
        buttons = [
            each for each in cast("list[QAbstractButton]", window.findChildren(QAbstractButton)) if each.isVisible()
        ]
        letters = [QKeySequence.mnemonic(each.text()).toString() for each in buttons]
        assert not [each for each in letters if each and letters.count(each) > 1], (name, letters)
    window.go("folders")
    card = rig.card("Photos")
    for button in cast("list[QAbstractButton]", card.findChildren(QAbstractButton)):
        if button.isVisible() and button.isEnabled():
            rig.tab_to(button)
    rig.end()
    return {}


def orders() -> dict[str, object]:
    """What is pressed is ordered, of that job and nothing else."""
    twin = TwinService()
    rig = rig_of(twin)
    twin.given.clear()
    card = rig.card("Photos")
    rig.press("Pause", card)
    gave(rig, twin, Pause(job="photos"))
    twin.move("photos", state="paused", paused=True)
    rig.press("Resume", card)
    gave(rig, twin, Start(job="photos"))
    rig.press("Check everything", card)
    gave(rig, twin, Reload(job="photos"))
    twin.move("photos", state="off")
    rig.press("Switch on", card)
    gave(rig, twin, Enable(job="photos", active=True))
    rig.press("Pause all")
    gave(rig, twin, Pause())
    folders: Any = cast("MainWindow", rig.window).find_page("folders")
    folders.remove("manuals")
    question = shown(rig, Question)
    rig.press("Cancel", question)
    rig.breathe(0.1)
    assert not [order for order in twin.given if isinstance(order, RemoveJob)]
    folders.remove("manuals")
    rig.press("Stop syncing", shown(rig, Question))
    gave(rig, twin, RemoveJob(job="manuals"))
    rig.until(lambda: rig.model.job("manuals") is None, "the job gone")
    rig.end()
    return {}


def questions_and_troubles() -> dict[str, object]:
    """The brake's two answers; a login that has to be renewed."""
    twin = TwinService()
    rig = rig_of(twin)
    card = rig.card("Documents")
    twin.move("documents", state="asking", brake=BRAKE)
    rig.until(lambda: rig.named(QAbstractButton, "Keep them", card), "the question")
    twin.given.clear()
    rig.press("Keep them", card)
    gave(rig, twin, Pause(job="documents"))
    twin.move("documents", state="asking", brake=BRAKE, paused=False)
    rig.press("Delete them", card)
    gave(rig, twin, AcceptDeletes(job="documents"))
    twin.move("documents", state="failed", brake=None, code="login-needed", why="Give the password of anna.")
    rig.until(lambda: rig.named(QAbstractButton, "Delete them", card) is None, "the question gone")
    rig.press("Log in again", card)
    dialog = shown(rig, LogInAgain)
    dialog.password.setText("wrong")
    rig.press("Log in", dialog)
    rig.until(lambda: "not right" in dialog.password.accessibleDescription(), "the complaint")
    dialog.password.setText("correct horse battery")
    twin.given.clear()
    rig.press("Log in", dialog)
    rig.until(lambda: Start(job="documents") in twin.given, "the job going on")
    rig.end()
    return {}


def editor_and_settings() -> dict[str, object]:
    """What is entered is what is ordered; a refusal stands at its field and nothing entered is lost."""
    twin = TwinService()
    rig = rig_of(twin, language="")
    folders: Any = page(rig, "folders", QWidget)
    folders.edit("manuals")
    editor = shown(rig, JobEditor)
    editor.name.setText("Handbooks")
    editor.direction.take("up")
    editor.excludes.setPlainText("*.tmp\n\n  build/ \n")

    refused: list[AnyOrder] = []

    def refuse(order: AnyOrder) -> None:
        if isinstance(order, ChangeJob):
            refused.append(order)
            raise BadSettings("'/' is no pattern: it needs a name.")

    twin.before = refuse
    rig.press("Save", editor)
    rig.until(lambda: "no pattern" in editor.excludes.accessibleDescription(), "the complaint at the patterns")
    assert editor.excludes.toPlainText().startswith("*.tmp")
    assert refused
    twin.before = lambda order: None
    rig.press("Save", editor)
    rig.until(lambda: [order for order in twin.given if isinstance(order, ChangeJob)], "the change")
    config = cast("JobNow", rig.until(lambda: twin.jobs()[2], "the job")).config
    assert (config.label, config.direction, config.filters.excludes) == ("Handbooks", "up", ("*.tmp", "build/"))

    settings = page(rig, "settings", SettingsPage)
    settings.up_limited.click()
    rig.until(lambda: twin.settings.up_kbytes == 1000, "the limit")
    settings.up.setValue(250)
    rig.until(lambda: twin.settings.up_kbytes == 250, "the number")
    settings.autostart.click()
    rig.until(lambda: twin.settings == Settings(up_kbytes=250, autostart=True), "autostart")
    rig.breathe(0.2)
    settings.look.take("dark")
    settings.look.chosen.emit("dark")
    assert theme.current().dark
    assert rig.qt.palette().window().color() == QColor(theme.DARK.window)
    old = rig.window
    settings.language.take("zh")
    settings.language.chosen.emit("zh")
    rig.until(lambda: rig.window is not old and rig.window.isVisible(), "the window in Chinese")
    rig.until(lambda: rig.named(QAbstractButton, "文件夹"), "its navigation")
    rig.end()
    return {}


def lists() -> dict[str, object]:
    """Activity is found by name and by folder and grows at its top; problems tell what to do and follow the service."""
    twin = TwinService()
    for number in range(600):
        twin.happen("manuals", "download", f"old/page {number}.txt", side="here", size=9)
    twin.happen("documents", "upload", "Taxes/newest.ods", side="there", size=1)
    rig = rig_of(twin)
    activity = page(rig, "activity", ActivityPage)
    rig.until(lambda: activity.rows.rows, "rows")

    def titles() -> list[str]:
        return [row.title for row in activity.rows.rows if row.thing is not None]

    assert titles()[:2] == ["newest.ods", "page 599.txt"]
    activity.search.setText("2025")
    rig.until(lambda: titles() == ["2025.ods"], "what is far back, found")
    activity.search.clear()
    rig.until(lambda: titles()[:1] == ["newest.ods"], "all again")
    twin.happen("photos", "download", "now & here.jpg", side="here", size=5)
    rig.until(lambda: titles()[0] == "now & here.jpg", "the newest on top")
    activity.show_job("documents")
    rig.until(lambda: titles()[0] == "newest.ods", "one folder")
    assert all(cast("Event", row.thing).job == "documents" for row in activity.rows.rows if row.thing)
    assert all(row.spoken for row in activity.rows.rows if row.thing)

    problems = page(rig, "problems", ProblemsPage)

    def told() -> list[Row]:
        return [row for row in problems.rows.rows if row.thing is not None]

    rig.until(lambda: len(told()) == 1, "the problem")
    twin.trouble(Problem(job="photos", path="Summer/aux.jpg", code="bad-name", left=True, message="It has a bad name."))
    rig.until(lambda: len(told()) == 2, "one more, by itself")
    assert all(len(row.below) == 2 for row in told()), "why, and what to do"
    rig.end()
    return {}


def away_and_back() -> dict[str, object]:
    """Over real sockets: the service goes, the window says so and takes no orders; another comes with other jobs."""
    launched: list[int] = []
    twin = TwinService()
    held = places.take(places.SERVICE)
    hub = Hub(twin, held)
    hub.open()
    rig = Rig(starting.connect, lambda: launched.append(1), Wishes(tray=False, language="en"))
    card = rig.card("Photos")
    hub.close()
    held.release()
    rig.until(lambda: rig.model.connection is Connection.GONE, "that the service is gone")
    start = cast("QAbstractButton", rig.until(lambda: rig.named(QAbstractButton, "Start the service"), "the banner"))
    pause = rig.named(QAbstractButton, "Pause", card)
    assert pause is not None
    assert not pause.isEnabled()
    start.click()
    rig.until(lambda: launched, "the start")
    twin = TwinService()
    twin.do(RemoveJob(job="manuals"))
    held = places.take(places.SERVICE)
    hub = Hub(twin, held)
    hub.open()
    rig.until(lambda: rig.model.connected, "the service again")
    rig.until(lambda: rig.model.job("manuals") is None, "what was removed meanwhile gone")
    rig.until(pause.isEnabled, "orders again")
    rig.until(lambda: rig.named(QAbstractButton, "Start the service") is None, "no banner")
    rig.end()
    hub.close()
    held.release()
    return {}


def nothing_runs() -> dict[str, object]:
    """Without a service the window offers to start it, and starts it by itself when it was told so."""
    launched: list[int] = []
    rig = Rig(lambda: None, lambda: launched.append(1), Wishes(tray=False, language="en"), alone=True)
    rig.until(lambda: rig.named(QAbstractButton, "Start the service"), "the offer")
    assert not launched
    rig.end()
    wishes = Wishes(tray=False, language="en", launch_at_once=True)
    other = Rig(lambda: None, lambda: launched.append(1), wishes, alone=True)
    other.until(lambda: launched, "the start")
    other.breathe(0.3)
    assert launched == [1]
    other.end()
    return {}


def tray_and_balloons() -> dict[str, object]:
    """The tray's menu and state; without a tray nothing is missed; balloons gather what came."""
    twin = TwinService()
    rig = rig_of(twin)
    quits: list[bool] = []
    pages: list[str] = []
    tray = Tray(rig.model, rig.app._texts, pages.append, rig.model)
    tray.quit_wanted.connect(quits.append)
    rig.until(lambda: tray.state == "syncing", "the state")
    assert not tray.shown, "there is no tray on this screen"
    tray.fill()
    entries = [action.text() for action in tray.menu.actions() if not action.isSeparator()]
    assert entries[0] == "Open Homestow"
    assert entries[1].startswith("Documents – ")
    assert len(entries) == 9
    twin.given.clear()
    {action.text(): action for action in tray.menu.actions()}["Pause a&ll"].trigger()
    gave(rig, twin, Pause())
    {action.text(): action for action in tray.menu.actions()}["Quit and stop syncing …"].trigger()
    assert quits == [True]
    balloons: list[tuple[str, str, str]] = []
    keeper = Balloons(rig.model, rig.app._texts, lambda *told: balloons.append(told), lambda: True, rig.model)
    for number in range(200):
        twin.happen("photos", "download", f"new/{number}.jpg", side="here", size=1)
        twin.happen("photos", "upload", f"mine/{number}.jpg", side="there", size=1)
    rig.breathe(0.3)
    keeper.tell()
    assert balloons == [("Photos", "200 files were updated", "info")], balloons
    keeper.tell()
    assert len(balloons) == 1
    twin.move("photos", state="failed", code="unreachable", why="It does not answer.")
    rig.until(lambda: len(balloons) == 2, "what needs somebody, at once")
    tray.close()
    rig.end()
    return {}


def closing_ends_without_a_tray() -> dict[str, object]:
    """Where nothing could bring the window back, closing it is the end."""
    rig = rig_of(TwinService(), tray=True)
    rig.breathe(0.5)
    ended: list[int] = []
    rig.qt.aboutToQuit.connect(lambda: ended.append(1))
    QTimer.singleShot(100, rig.window.close)
    QTimer.singleShot(20_000, lambda: rig.qt.exit(9))
    assert rig.qt.exec() == 0
    assert ended
    rig.end()
    return {}


class Probe:
    """How long the turns of the event loop take: by the clock, and in processor time of its thread, which others cannot spoil."""

    def __init__(self) -> None:
        self.turns = 0
        self.longest_s = 0.0
        self.longest_work_s = 0.0
        self._at = self._work = 0.0
        self._timer = QTimer()
        self._timer.setInterval(2)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)

    def start(self) -> None:
        """Begin."""
        self._at, self._work = time.monotonic(), time.thread_time()
        self._timer.start()

    def stop(self) -> None:
        """End."""
        self._timer.stop()

    def _tick(self) -> None:
        at, work = time.monotonic(), time.thread_time()
        self.turns += 1
        self.longest_s = max(self.longest_s, at - self._at)
        self.longest_work_s = max(self.longest_work_s, work - self._work)
        self._at, self._work = at, work


def fluid() -> dict[str, object]:
    """A hundred thousand files go by, told by a service in another process, while the window shows them."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.fronts.qt.acts", "--busy", str(FILES)], stdout=subprocess.PIPE
    ) as busy:
        assert busy.stdout is not None
        assert busy.stdout.readline() == b"ready\n"
        rig = Rig(starting.connect, wishes=Wishes(tray=False, language="en"))
        activity = page(rig, "activity", ActivityPage)
        rig.until(lambda: rig.model.connected, "the service")
        rig.breathe(0.3)
        probe = Probe()
        probe.start()
        loop = QTimer()
        pages = iter(PAGES * 1000)
        loop.setInterval(700)
        loop.timeout.connect(lambda: cast("MainWindow", rig.window).go(next(pages)))
        loop.start()
        link = starting.connect()
        assert link is not None
        link.ask(Start(job="photos"))
        link.close()

        def all_seen() -> bool:
            job = rig.model.job("photos")
            return job is not None and job.progress.files_done == FILES

        give_up = time.monotonic() + 80
        done = QTimer()
        done.setInterval(50)
        done.timeout.connect(lambda: rig.qt.exit(0) if all_seen() or time.monotonic() > give_up else None)
        done.start()
        rig.qt.exec()
        for timer in (done, loop):
            timer.stop()
        assert all_seen(), rig.model.job("photos").progress
        cast("MainWindow", rig.window).go("activity")
        rig.until(
            lambda: any(row.title == f"{FILES - 1}.jpg" for row in activity.rows.rows[:5]), "the last file in the list"
        )
        probe.stop()
        assert probe.longest_work_s < STALL_S, f"a turn of {probe.longest_work_s:.3f} s"
        rig.end()
        busy.terminate()
    return {"turns": probe.turns, "longest_s": probe.longest_s, "longest_work_s": probe.longest_work_s}


def be_busy(files: int) -> None:
    """The service of `fluid`: on `start` it tells of so many files as fast as it can."""
    twin = TwinService()
    held = places.take(places.SERVICE)
    hub = Hub(twin, held)
    hub.open()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while Start(job="photos") not in twin.given:
        time.sleep(0.02)
    for number in range(files):
        twin.happen("photos", "download", f"many/{number // 100}/{number}.jpg", side="here", size=1000)
        if number % 100 == 99:
            twin.progress("photos", files_done=number + 1, files_total=files, current=f"many/{number}.jpg", rate=1e6)
        if number % 1000 == 999:
            twin.move("photos", problems=number // 1000)
            # As fast as a very fast disk and server could do it: ten thousand files a second.
            time.sleep(0.1)
    while True:
        time.sleep(1)


ACTS: dict[str, Callable[[], dict[str, object]]] = {
    act.__name__: act
    for act in (keyboard_and_names, orders, questions_and_troubles, editor_and_settings, lists, away_and_back, nothing_runs,
                tray_and_balloons, closing_ends_without_a_tray, fluid)
}  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1] == "--busy":
        be_busy(int(sys.argv[2]))
    told = ACTS[sys.argv[1]]()
    sys.stdout.write(json.dumps({"done": sys.argv[1], **told}) + "\n")
    sys.stdout.flush()
    # Widgets of a test that is over are not taken apart one by one.
    os._exit(0)

"""The middle steps of the wizard: what of the server, and where on this computer."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from homestow.client.apps.qt.forms import Complaint, card, label, named, told
from homestow.client.apps.qt.two_lines import Line, TwoLines
from homestow.client.apps.qt.widgets import Button
from homestow.client.apps.qt.wizard_steps import Step, Way
from homestow.wire.control import CheckFolder, FolderSeen, ListFolders, MakeFolder, Refused

_PATH: Final = Qt.ItemDataRole.UserRole
_ASKED: Final = Qt.ItemDataRole.UserRole + 1
PAUSE_MS: Final = 400
"""After the last letter of a path was typed, it is looked at."""


class WorkspaceStep(Step):
    """A workspace of the account, and a folder in it; folders are fetched when they are opened."""

    def __init__(self, way: Way) -> None:
        super().__init__(way, way.texts("wizard.workspace-title"), way.texts("wizard.workspace-about"))
        texts = self.texts
        self.spaces = TwoLines(texts("wizard.workspaces"))
        self.tree = QTreeWidget()
        self.tree.setHeaderHidden(True)
        named(self.tree, texts("wizard.folders"))
        self.wrong = Complaint(self.tree)
        self.name = QLineEdit()
        self.name.setPlaceholderText(texts("wizard.new-folder-name"))
        named(self.name, texts("wizard.new-folder-name"))
        self.make = Button(texts("wizard.make-folder"), press=self._make)
        self.make.setEnabled(False)
        self._build()
        self.spaces.currentRowChanged.connect(self._chose_space)
        self.tree.itemExpanded.connect(self._fetch)
        self.tree.currentItemChanged.connect(self.ready_changed)
        self.name.textChanged.connect(lambda text: self.make.setEnabled(bool(text.strip())))
        self.name.returnPressed.connect(self._make)
        self._shown: tuple[str, str] = ("", "")

    def _build(self) -> None:
        left, right = QVBoxLayout(), QVBoxLayout()
        heading = label(self.texts("wizard.workspaces"), "strong", wrap=False)
        heading.setBuddy(self.spaces)
        left.addWidget(heading)
        left.addWidget(self.spaces, 1)
        heading = label(self.texts("wizard.folders"), "strong", wrap=False)
        heading.setBuddy(self.tree)
        right.addWidget(heading)
        right.addWidget(self.tree, 1)
        new = QHBoxLayout()
        new.addWidget(self.name, 1)
        new.addWidget(self.make)
        right.addLayout(new)
        both = QHBoxLayout()
        both.setSpacing(16)
        both.addLayout(left, 2)
        both.addLayout(right, 3)
        self.rows.addLayout(both, 1)
        self.rows.addWidget(self.wrong)

    def first(self) -> QWidget:
        """Of `Step`."""
        return self.spaces

    def arrive(self) -> None:
        """Of `Step`."""
        draft = self.way.draft
        if self._shown == (draft.url, draft.user) and self.spaces.count():
            return
        self._shown = (draft.url, draft.user)
        icon = {"own": "house", "write": "share", "read": "eye"}
        self.spaces.show_lines(
            [
                Line(space.name, space.name, self.texts(f"rights.{space.rights}"), icon[space.rights])
                for space in draft.workspaces
            ],
            row=0 if draft.workspaces else -1,
        )
        self._chose_space(self.spaces.currentRow())
        if not draft.workspaces:
            self.wrong.say(self.texts("wizard.no-workspaces"))

    def ready(self) -> bool:
        """Of `Step`."""
        return self.tree.currentItem() is not None

    def leave(self, on: Callable[[], None]) -> None:
        """Of `Step`."""
        item = self.tree.currentItem()
        draft = self.way.draft
        draft.workspace = draft.workspaces[self.spaces.currentRow()]
        draft.folder = item.data(0, _PATH)
        on()

    def _chose_space(self, row: int) -> None:
        self.tree.clear()
        self.wrong.hush()
        if row < 0:
            return
        space = self.way.draft.workspaces[row]
        top = self._item(self.texts("wizard.all-of", workspace=space.name), "")
        self.tree.addTopLevelItem(top)
        self.tree.setCurrentItem(top)
        top.setExpanded(True)
        writable = space.rights != "read"
        self.name.setEnabled(writable)
        self.make.setEnabled(writable and bool(self.name.text().strip()))
        self.ready_changed.emit()

    def _item(self, name: str, path: str) -> QTreeWidgetItem:
        item = QTreeWidgetItem([name])
        item.setData(0, _PATH, path)
        item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)
        return item

    def _space(self) -> str:
        return self.way.draft.workspaces[self.spaces.currentRow()].name

    def _fetch(self, item: QTreeWidgetItem) -> None:
        """Ask for what is in a folder, once."""
        if item.data(0, _ASKED):
            return
        item.setData(0, _ASKED, True)
        space, path, draft = self._space(), item.data(0, _PATH), self.way.draft

        def came(names: tuple[str, ...]) -> None:
            there = self._find(space, path)
            if there is not None:
                self._fill(there, names)

        def failed(refused: Refused) -> None:
            there = self._find(space, path)
            if there is not None:
                there.setData(0, _ASKED, False)
                there.setExpanded(False)
                self.wrong.say(told(self.texts, refused, path=path, server=draft.url))

        order = ListFolders(url=draft.url, user=draft.user, workspace=space, path=path)
        self.way.model.ask(order, came, failed, owner=self)

    def _find(self, space: str, path: str) -> QTreeWidgetItem | None:
        """The item of a folder, as long as its workspace is shown; the tree may be another one than when it was asked."""
        if self.spaces.currentRow() < 0 or self._space() != space:
            return None
        item: QTreeWidgetItem | None = self.tree.topLevelItem(0)
        passed = ""
        for name in path.split("/") if path else ():
            passed = f"{passed}/{name}" if passed else name
            children = (item.child(row) for row in range(item.childCount())) if item is not None else ()
            item = next((child for child in children if child.data(0, _PATH) == passed), None)
        return item

    def _fill(self, item: QTreeWidgetItem, names: tuple[str, ...]) -> None:
        path = item.data(0, _PATH)
        have = {item.child(row).text(0): item.child(row) for row in range(item.childCount())}
        for name, child in have.items():
            if name not in names:
                item.removeChild(child)
        for row, name in enumerate(names):
            if name not in have:
                item.insertChild(row, self._item(name, f"{path}/{name}" if path else name))
        if not names:
            item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.DontShowIndicator)
        else:
            item.setChildIndicatorPolicy(QTreeWidgetItem.ChildIndicatorPolicy.ShowIndicator)

    def _make(self) -> None:
        name, parent = self.name.text().strip(), self.tree.currentItem()
        if not name or parent is None:
            return
        self.wrong.hush()
        space, path, draft = self._space(), parent.data(0, _PATH), self.way.draft
        made = f"{path}/{name}" if path else name

        def done(names: tuple[str, ...]) -> None:
            self.name.clear()
            there = self._find(space, path)
            if there is None:
                return
            there.setData(0, _ASKED, True)
            self._fill(there, names)
            there.setExpanded(True)
            child = self._find(space, made)
            if child is not None:
                self.tree.setCurrentItem(child)
                self.tree.setFocus(Qt.FocusReason.OtherFocusReason)

        def failed(refused: Refused) -> None:
            self.wrong.say(told(self.texts, refused, path=made, server=draft.url))

        order = MakeFolder(url=draft.url, user=draft.user, workspace=space, path=made)
        self.way.ask(order, done, failed)


class FolderStep(Step):
    """A folder of this computer; what is in it, the room there, and what is against it are told before one goes on."""

    def __init__(self, way: Way) -> None:
        super().__init__(way, way.texts("wizard.folder-title"), way.texts("wizard.folder-about"))
        texts = self.texts
        self.path = QLineEdit()
        named(self.path, texts("wizard.folder"))
        self.browse = Button(texts("wizard.browse"), press=self._browse)
        self.wrong = Complaint(self.path)
        above = label(texts("wizard.folder"), "strong")
        above.setBuddy(self.path)
        line = QHBoxLayout()
        line.addWidget(self.path, 1)
        line.addWidget(self.browse)
        self.seen_card, rows = card()
        self.holds = label()
        self.joined = label("", "muted")
        self.room = label("", "muted")
        for part in (self.holds, self.joined, self.room):
            rows.addWidget(part)
        self.seen_card.setVisible(False)
        self.rows.addWidget(above)
        self.rows.addLayout(line)
        self.rows.addWidget(self.wrong)
        self.rows.addWidget(self.seen_card)
        self.rows.addStretch(1)
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(PAUSE_MS)
        self._wait.timeout.connect(self._look)
        self._seen: dict[str, FolderSeen] = {}
        self._proposed = ""
        self.path.textChanged.connect(self._typed)

    def first(self) -> QWidget:
        """Of `Step`."""
        return self.path

    def arrive(self) -> None:
        """Of `Step`."""
        proposal = str(Path.home() / "Homestow" / self._name())
        if self.path.text() in ("", self._proposed):
            self._proposed = proposal
            self.path.setText(proposal)
        self._seen.clear()
        self._wait.start(0)

    def ready(self) -> bool:
        """Of `Step`."""
        return bool(self.path.text().strip())

    def leave(self, on: Callable[[], None]) -> None:
        """Of `Step`."""
        self._wait.stop()
        typed = self._directory()

        def seen(folder: FolderSeen) -> None:
            self._tell(typed, folder)
            if not folder.against:
                self.way.draft.directory = folder.directory
                on()

        self.way.ask(CheckFolder(directory=typed), seen, self._failed)

    def _name(self) -> str:
        draft = self.way.draft
        name = draft.folder.rpartition("/")[2] or draft.workspace_name
        return "".join("_" if letter in '\\/:*?"<>|' else letter for letter in name).strip(" .") or "Homestow"

    def _directory(self) -> str:
        typed = self.path.text().strip()
        return str(Path(typed).expanduser()) if typed.startswith("~") else typed

    def _typed(self) -> None:
        self.wrong.hush()
        self.seen_card.setVisible(False)
        self._wait.start(PAUSE_MS)
        self.ready_changed.emit()

    def _look(self) -> None:
        typed = self._directory()
        if typed:
            self.way.model.ask(
                CheckFolder(directory=typed),
                lambda folder: self._tell(typed, folder),
                lambda refused: self._failed(refused) if typed == self._directory() and self.isVisible() else None,
                owner=self,
            )

    def _tell(self, typed: str, folder: FolderSeen) -> None:
        """Show what a folder is, unless something else was typed meanwhile."""
        if typed != self._directory():
            return
        texts = self.texts
        if folder.against:
            self.seen_card.setVisible(False)
            if self.isVisible():
                self.wrong.say(texts.told(folder.code, folder.against, path=folder.directory))
            return
        self.wrong.hush()
        if not folder.exists:
            self.holds.setText(texts("wizard.folder-new"))
        elif folder.files == 0:
            self.holds.setText(texts("wizard.folder-empty"))
        else:
            key = "wizard.folder-holds-more" if folder.more else "wizard.folder-holds"
            self.holds.setText(texts(key, n=folder.files, size=texts.size(folder.size_bytes)))
        self.joined.setText(texts("wizard.folder-joined"))
        self.joined.setVisible(folder.files > 0)
        self.room.setText(texts("wizard.folder-room", size=texts.size(folder.free_bytes)))
        self.seen_card.setVisible(True)

    def _failed(self, refused: Refused) -> None:
        self.wrong.say(told(self.texts, refused, path=self._directory()))

    def _browse(self) -> None:
        dialog = QFileDialog(self, self.texts("wizard.folder"), self._nearest())
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.path.setText)
        dialog.open()

    def _nearest(self) -> str:
        """The folder typed, or the nearest above it that is there."""
        start = Path(self._directory() or Path.home())
        return str(next((folder for folder in (start, *start.parents) if folder.is_dir()), Path.home()))

"""What the steps of the wizard share: the answers so far, and what a step is."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from homestow.client.apps.qt.model import Failed, Model, Then
from homestow.client.apps.texts import Texts
from homestow.wire.control import (
    AnyOrder,
    DirectionText,
    Filters,
    FrequencyText,
    JobConfig,
    JobNow,
    SolveText,
    StartTime,
    Workspace,
)


@dataclass(slots=True)
class Draft:
    """The answers so far; never a password.

    Attributes:
        url: corrected by the server's own answer. known: the account that this computer has a login of, "" none.
        workspaces: what the account sees.
        folder: in the workspace, "" all of it.
    """

    url: str = ""
    known: str = ""
    user: str = ""
    workspaces: tuple[Workspace, ...] = ()
    workspace: Workspace | None = None
    folder: str = ""
    directory: str = ""
    label: str = ""
    direction: DirectionText = "bi"
    frequency: FrequencyText = "auto"
    start: StartTime = field(default_factory=StartTime)
    solve: SolveText = "manual"
    excludes: tuple[str, ...] = ()

    @property
    def workspace_name(self) -> str:
        """Name of the chosen workspace, "" none."""
        return "" if self.workspace is None else self.workspace.name

    def config(self) -> JobConfig:
        """The job that the answers ask for."""
        return JobConfig(
            server=self.url,
            directory=self.directory,
            workspace=self.workspace_name,
            remote_folder=self.folder,
            user=self.user,
            label=self.label,
            direction=self.direction,
            frequency=self.frequency,
            start_time=self.start,
            solve=self.solve,
            filters=Filters(excludes=self.excludes),
        )


class Way(Protocol):
    """The wizard, as its steps know it."""

    model: Model
    texts: Texts
    draft: Draft

    def ask(self, order: AnyOrder, then: Then, failed: Failed) -> None:
        """Give an order and rest until it is answered."""

    def finish(self, job: JobNow) -> None:
        """The job was added."""


class Step(QWidget):
    """One question."""

    ready_changed = Signal()
    """`ready` may say something else."""

    def __init__(self, way: Way, title: str, about: str = "") -> None:
        super().__init__()
        self.way = way
        self.texts = way.texts
        self.title = title
        self.about = about
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(2, 2, 8, 2)
        self.rows.setSpacing(8)

    def first(self) -> QWidget:
        """The widget that has the focus when the step is shown."""
        return self

    def arrive(self) -> None:
        """The step is shown, for the first time or again."""

    def ready(self) -> bool:
        """Whether "Next" may be pressed."""
        return True

    def leave(self, on: Callable[[], None]) -> None:
        """ "Next" was pressed: take the answers, have them checked, and call `on` when all is well, now or later."""
        on()

    def forget(self) -> None:
        """The wizard is closed; wipe what is secret."""

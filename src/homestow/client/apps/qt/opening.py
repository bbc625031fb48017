"""Showing folders and files in the desktop's own programs."""

import os

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices

from homestow.client.apps.qt.model import Model


def full_path(model: Model, job_id: str, path: str) -> str | None:
    """Where a path of a job lies on this computer; None: the job is no more, or the path leads out of its folder."""
    job = model.job(job_id)
    if job is None or ".." in path.split("/"):
        return None
    return os.path.join(job.config.directory, *path.split("/")) if path else job.config.directory


def reveal(path: str) -> bool:
    """Show the folder that a file is in, or the next one above that is still there; False: none could be shown."""
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    while folder and not os.path.isdir(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return open_path(folder)


def open_path(path: str) -> bool:
    """Show a folder or file in the program that the desktop has for it; False: it could not be shown."""
    return QDesktopServices.openUrl(QUrl.fromLocalFile(path))

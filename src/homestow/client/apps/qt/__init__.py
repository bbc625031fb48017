"""The window of the sync service: tray icon, folders, activity, problems, conflicts, settings. It speaks only `control.link`.

`app.main` runs it. It needs PySide6 (the extra `qt`); of Qt only QtCore, QtGui and QtWidgets are loaded, and nothing else of
Homestow than `control`, `wire.control` and `values`, so that the window is painted soon after its start.
"""

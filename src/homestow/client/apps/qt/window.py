"""The main window: a calm navigation at the left, one page at a time at the right, and a banner when the service is away.

What pages and dialogs are, so that they can be written apart:

- A *page* is a `QWidget` made by `Page(model, texts)` when it is first wanted. It fills the space at the right, margins of its
  own (`widgets.page_layout` gives the usual ones and the title). It may have a method `arrived() -> None`, called each time it
  comes to the front. Pages are made anew when the language changes. `conflicts.ConflictsPage(model, texts)` is one.
- A *dialog* is a `QDialog` made by `Dialog(model, texts, ..., parent)` and shown by `open()` (never `exec()`: the window stays
  alive): `wizard.Wizard(model, texts, parent)`, whose `accepted` means that a job was added, `made: str | None` is its id;
  `share.ShareDialog(model, texts, job_id, path, parent)`, `path` with "/" below the job's folder.
- *model*: `model.Model`: `jobs`, `job(id)`, `general`, `progress`, `settings`, `connected`, the signals `jobs_changed`,
  `progress_changed`, `events_came`, `settings_changed`, `connection_changed`, and `ask(order, then, failed, owner=self)`, which
  never waits: `then(gave)` or `failed(refused)` is called in the window's thread.
- *texts*: `apps.texts.Texts`: `texts.text("folders.pause")`, `texts.text("folders.files", count=3)`.
- *look*: `theme.current()` gives the colours (`look.accent`, `look.muted`, …); widgets take them from the stylesheet by the
  dynamic property `role` ("title", "subtitle", "heading", "muted", "card", "primary", "danger", "quiet", "link", …), never by
  colours of their own, so that dark and light can change while the window is open. What paints itself listens to
  `theme.notifier().changed`. Icons: `icons.icon("pause")`, names in `icons.NAMES`.
- Each control has an `accessibleName` (its text counts), each action a place in the tab order or a shortcut.
"""

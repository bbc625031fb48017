"""The files of the browser page: read once into memory from known folders, so that no request names a file of the disk."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from homestow.client.control.web.asking import Asking, Reply, trouble

KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
PAGE_MAY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Scripts and styles of our files only, connections to ourselves only, no text ever read as HTML, in nobody's frame."""
OLD_PROBE: Final = "angularjs/angular.min.js"
"""The old window on macOS starts the service anew when this is not found."""


class PageFiles:
    """What lies under `/res/`."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Take the files directly in each folder, under its name: "" for `/res/` itself, "texts" for `/res/texts/`."""
        self._files: dict[str, tuple[str, bytes]] = {OLD_PROBE: (KINDS[".js"], b"")}
        for place, folder in folders.items():
            for path in sorted(folder.iterdir()):
                if path.suffix in KINDS and path.is_file():
                    self._files[f"{place}/{path.name}".lstrip("/")] = (KINDS[path.suffix], path.read_bytes())

    def answer(self, asking: Asking) -> Reply:
        """The file below `/res/`."""
        if asking.method not in ("GET", "HEAD"):
            return trouble(HTTPStatus.METHOD_NOT_ALLOWED, "Files of the page can only be read.")
        found = self._files.get(asking.path.removeprefix("/res/"))
        if found is None:
            return trouble(HTTPStatus.NOT_FOUND, "There is no such file of the page.")
        kind, content = found
        return Reply(
            body=content, kind=kind, headers=(("Content-Security-Policy", PAGE_MAY), ("Cache-Control", "no-cache"))
        )

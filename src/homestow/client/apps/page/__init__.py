"""The browser page: static ES modules that speak the control protocol over the local HTTP API. `FOLDERS` says where they lie."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDERS: Final[Mapping[str, Path]] = {"": Path(__file__).parent, "texts": Path(__file__).parents[1] / "texts"}
"""Folders of the files under `/res/`, as `control.web.page.WebPage` takes them."""

"""The example in the guide of the Ditto services works as it is printed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli_processes import Home

pytestmark = [pytest.mark.serial]

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "ditto.md"


def test_the_example_works(tmp_path: Path) -> None:
    """It sends a file and hears that it was written."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), names)
    send_and_watch: Callable[..., Any] = names["send_and_watch"]
    home = Home(tmp_path)
    home.fine("user", "add", "anna", "--data", home.data)
    made = json.loads(home.fine("client", "add", "program", "--data", home.data).out)
    (tmp_path / "film.mp4").write_bytes(b"film" * 1000)
    with home.server("--grpc", "127.0.0.1:0") as server:
        address = str(server.ready["grpc"])
        file = send_and_watch(address, made["client_id"], made["client_secret"], tmp_path / "film.mp4")
    assert file.name == "film.mp4"
    assert (home.data / "files" / "anna" / "Ditto" / "film.mp4").read_bytes() == b"film" * 1000

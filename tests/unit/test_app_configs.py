"""The isync server's settings file is read and written as its article has it."""

import json
import os
from pathlib import Path

import pytest

from homestow.server import app_configs
from homestow.server.settings import load
from homestow.values.errors import BadSettings


def test_the_articles_example_is_read(tmp_path: Path) -> None:
    """Its three keys count, under our names for them."""
    (tmp_path / "appConfigs.json").write_text(
        '{"onlineThreshold": 500, "onlineTimeout": 8000, "thumbPath": "/Users/terry/work/thumbPaths"}'
    )
    settings = load(tmp_path, {}, {})
    assert (settings.online_limit, settings.online_seconds) == (500, 8000)
    assert settings.thumbs_folder == "/Users/terry/work/thumbPaths"
    assert (settings.share_limit, settings.share_seconds) == (1000, 1800)


def test_numbers_as_text_and_relative_paths(tmp_path: Path) -> None:
    """A set-up script wrote numbers as text; paths are meant from the file, or from home."""
    (tmp_path / "appConfigs.json").write_text(
        '{"shareUrlTimeout": "60", "logFileName": "./building/appLog.log", "defaultUserPath": "~/users", "x": [1]}'
    )
    settings = load(tmp_path, {}, {})
    assert settings.share_seconds == 60
    assert settings.log_file == str(tmp_path / "building/appLog.log")
    assert settings.users_folder == os.path.expanduser("~/users")


def test_our_own_settings_win(tmp_path: Path) -> None:
    """homestow.toml, then the environment, then flags come after it."""
    (tmp_path / "appConfigs.json").write_text('{"onlineTimeout": 1, "onlineThreshold": 2, "shareUrlTimeout": 3}')
    (tmp_path / "homestow.toml").write_text("online_seconds = 10\nonline_limit = 20\n")
    settings = load(tmp_path, {"HOMESTOW_ONLINE_LIMIT": "200"}, {})
    assert (settings.online_seconds, settings.online_limit, settings.share_seconds) == (10, 200, 3)


@pytest.mark.parametrize(
    "text",
    [
        "[1]", "nothing", '{"onlineTimeout": 0}', '{"onlineTimeout": true}', '{"onlineTimeout": 1.5}', '{"thumbPath": 7}',
        '{"thumbPath": ""}', '{"shareUrlThreshold": -1}', '{"onlineTimeout": "many"}', "[" * 5000, "\ud800",
    ],
)  # fmt: skip
def test_mistakes_are_told_with_the_file(tmp_path: Path, text: str) -> None:
    """Each is one line that names the file, and nothing is served with a guess."""
    (tmp_path / "appConfigs.json").write_bytes(text.encode(errors="surrogatepass"))
    with pytest.raises(BadSettings, match=r"appConfigs\.json") as told:
        load(tmp_path, {}, {})
    assert "\n" not in told.value.message


def test_writing_keeps_everything_else(tmp_path: Path) -> None:
    """Only the given keys change; a first one makes the file, for its owner alone."""
    path = tmp_path / "appConfigs.json"
    app_configs.write(path, {"onlineThreshold": 500})
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"onlineThreshold": 500, "mine": {"a": "ü"}}')
    app_configs.write(path, {"thumbPath": "/t"})
    assert json.loads(path.read_text()) == {"onlineThreshold": 500, "mine": {"a": "ü"}, "thumbPath": "/t"}
    assert os.listdir(tmp_path) == ["appConfigs.json"]


def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    """Whoever wrote it has to look at it."""
    path = tmp_path / "appConfigs.json"
    path.write_text("{")
    with pytest.raises(BadSettings, match="correct it there"):
        app_configs.write(path, {"onlineThreshold": 500})
    assert path.read_text() == "{"

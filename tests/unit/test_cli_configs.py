"""`homestow config` shows and writes the isync server's settings under their own names."""

import json
from pathlib import Path

import pytest

from homestow.cli.entry import main


def test_the_articles_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it sets is in the file and counts from then on."""
    assert main(["config", "--data", str(tmp_path), "--onlineThreshold=500", "--thumbPath=/t/u"]) == 0
    assert json.loads((tmp_path / "appConfigs.json").read_text()) == {"onlineThreshold": 500, "thumbPath": "/t/u"}
    capsys.readouterr()
    assert main(["config", "--data", str(tmp_path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert "onlineThreshold = 500" in shown
    assert "thumbPath = /t/u" in shown
    assert "shareUrlThreshold = 1000" in shown


@pytest.mark.parametrize("flag", ["--onlineTimeout=0", "--onlineTimeout=x", "--shareUrlTimeout=1.5", "--nope=1", "x"])
def test_mistakes_change_nothing(tmp_path: Path, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, one line, and no file."""
    assert main(["config", "--data", str(tmp_path), "--onlineThreshold=5", flag]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "appConfigs.json").exists()


def test_what_wins_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A value that homestow.toml overrules is written, and the command says so."""
    (tmp_path / "homestow.toml").write_text("online_limit = 7\n")
    assert main(["config", "--data", str(tmp_path), "--onlineThreshold=5"]) == 0
    out = capsys.readouterr().out
    assert "onlineThreshold = 7" in out
    assert "wins over" in out

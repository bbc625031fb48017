"""The quick reading of flags, and passwords kept from other people's eyes."""

import subprocess
import sys
from pathlib import Path

import pytest

from homestow.cli.passwords import given_password, hide_password_argument
from homestow.cli.syncflags import Flag, read
from homestow.cli.troubles import Trouble

FLAGS = (
    Flag(("-s", "--server"), "server", "URL", "http://localhost:5000"),
    Flag(("-d", "--folder"), "folder", "DIR"),
    Flag(("-dir", "--direction"), "direction", "WAY", "bi", ("bi", "up", "down")),
    Flag(("-u", "--user"), "user", "NAME", env="TEST_HOMESTOW_USER"),
    Flag(("--once",), "once"),
)


def test_values_stand_behind_a_space_or_an_equals_sign() -> None:
    """Both spellings give the value, also of the single-dash word -dir."""
    given = read(["-s", "http://a", "-d=/b", "-dir", "up", "--once"], FLAGS)

    assert given == {"server": "http://a", "folder": "/b", "direction": "up", "user": None, "once": True}


def test_defaults_and_environment() -> None:
    """What is not given has its default, the environment before it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_HOMESTOW_USER", "anna")
        given = read([], FLAGS)

    assert given == {
        "server": "http://localhost:5000", "folder": None, "direction": "bi", "user": "anna", "once": False,
    }  # fmt: skip


def test_the_last_of_several_wins() -> None:
    """A flag may be repeated; scripts append their own."""
    given = read(["-d", "a", "-d", "b"], FLAGS)

    assert given is not None
    assert given["folder"] == "b"


@pytest.mark.parametrize("args", [["--help"], ["-x"], ["-d"], ["-dir", "sideways"], ["--once=1"], ["stray"], ["-sURL"]])
def test_everything_unusual_is_left_to_click(args: list[str]) -> None:
    """Help and mistakes are not guessed at."""
    assert read(args, FLAGS) is None


WATCH = """
import sys
from homestow.cli.passwords import hide_password_argument
hide_password_argument(sys.argv)
print(open('/proc/self/cmdline').read().replace(chr(0), ' '), sys.argv)
"""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="only Linux lets a process rewrite its arguments")
@pytest.mark.parametrize(
    "words", [["-p", "secret word"], ["-psecret word"], ["-p=secret word"], ["--password=secret word"]]
)
def test_a_password_argument_is_wiped_from_what_others_see(words: list[str]) -> None:
    """Neither ps nor /proc shows it afterwards, while the process itself still has it."""
    args = ["sync", "-d", "péché", *words, "--once"]
    shown = subprocess.run([sys.executable, "-c", WATCH, *args], capture_output=True, text=True, check=True).stdout
    cmdline, argv = shown.rsplit("[", 1)

    assert "secret" not in cmdline
    assert "secret word" in argv
    assert "sync -d péché" in cmdline
    assert "--once" in cmdline


def test_nothing_is_wiped_where_no_password_is() -> None:
    """Other commands may have a -p of their own."""
    hide_password_argument(["homestow", "scan", "-p", "/path"])


def test_a_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """HOMESTOW_PASSWORD gives it; an argument goes before; an empty variable is none."""
    monkeypatch.setenv("HOMESTOW_PASSWORD", "from the environment")
    assert given_password() == "from the environment"
    assert given_password("argument") == "argument"

    monkeypatch.setenv("HOMESTOW_PASSWORD", "")
    assert given_password() is None


def test_a_password_comes_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first line without its end, spaces kept; nothing at all is bad usage."""
    (tmp_path / "in").write_text(" with spaces \nnext\n")
    with (tmp_path / "in").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert given_password(stdin=True) == " with spaces "
    (tmp_path / "in").write_text("")
    with (tmp_path / "in").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(Trouble, match="nothing came"):
            given_password(stdin=True)

"""What every command has in common: help with an example, one line for an error, exit codes, a light start."""

import errno
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from homestow import __version__
from homestow.cli import main
from homestow.cli.commands import homestow
from homestow.cli.orders import size_bytes
from homestow.cli.troubles import TROUBLE, Trouble, exit_code, one_line, told
from homestow.values import errors
from homestow.values.errors import CloudError


def leaves(group: click.Group = homestow, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command with its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("words", list(leaves()), ids=" ".join)
def test_each_help_has_an_example(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody has to guess how a command is written; the example is of this very command."""
    assert main([*words, "--help"]) == 0

    help_text = capsys.readouterr().out
    assert help_text.startswith(f"Usage: homestow {' '.join(words)}")
    example = help_text.partition("\nExample:\n")[2]
    assert f"homestow {' '.join(words)}" in example


@pytest.mark.parametrize("words", [[], ["user"], ["--help"], ["user", "--help"]])
def test_groups_list_what_they_hold(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A group alone shows its help; the whole program then means no harm, a group lacks its command."""
    assert main(words) == (2 if words == ["user"] else 0)
    assert "Commands:" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """--version names program and version."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"homestow {__version__}\n"


@pytest.mark.parametrize(
    "words,said",
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["serve", "--prot"], "No such option"),
        (["user", "add"], "Missing argument 'NAME'"),
        (["sync", "-u", "anna"], "of which folder"),
        (["sync", "-f", "nowhere.json"], "there is no job file"),
        (["sync", "-d"], "requires an argument"),
        (["sync", "-d", "x", "-dir", "sideways"], "is not one of 'bi', 'up', 'down'"),
        (["sync", "-d", "x", "-f", "jobs.json", "--once"], "leave -f out"),
        (["sync", "-d", "x", "-z", "many"], "a port is a number"),
        (["sync", "-d", "x", "-z", "65534"], "a port is a number"),
        (["sync", "-d", "x", "-z", "5556", "--once"], "too soon to be steered"),
        (["sync", "-d", "x", "-s", "ftp://host"], "no server's address"),
        (["serve", "--netdrive", "nowhere"], "netdrive: 'nowhere' is not HOST:PORT"),
        (["root", "member", "Photos", "anna:all"], "is not USER:RIGHTS"),
        (["trash", "empty"], "gone for good"),
        (["completion", "tcsh"], "is not one of"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is written wrongly is said on one line, and nothing is done."""
    assert main(words) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("homestow: ")
    assert err.count("\n") == 1
    assert said in err


def test_each_error_of_the_core_has_an_exit_code() -> None:
    """1, 2 or 4 and never 0 or 3, which the brake has."""
    codes = {kind.code: exit_code(kind("why")) for kind in errors.all_errors()}

    assert set(codes.values()) == {1, 2, 4}
    assert {codes[code] for code in ("unreachable", "login-failed", "store-locked", "newer-store")} == {4}
    assert (codes["bad-settings"], codes["name-taken"]) == (2, 1)


def test_errors_are_told_in_one_line() -> None:
    """Also an error of the system, one with line breaks, and one that is our own mistake."""
    assert told(CloudError("two\nlines\x1b[2J")) == ("two lines [2J", 1)
    assert told(Trouble("why", 4)) == ("why", 4)
    line, code = told(OSError(errno.ENOSPC, "No space left on device", "/data/x"))
    assert (line, code) == ("/data/x: No space left on device; make room on that disk and try again.", TROUBLE)
    assert "HOMESTOW_DEBUG=1" in told(ValueError("x"))[0]
    assert one_line("") == ""


@pytest.mark.parametrize(
    "text,size",
    [("500GB", 5 * 10**11), ("1.5 TB", 15 * 10**11), ("100", 100), ("10k", 10_000), ("none", 0), ("default", None)],
)
def test_sizes_as_people_write_them(text: str, size: int | None) -> None:
    """Units in powers of a thousand; none is no limit, default the server's."""
    assert size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "many", "-1", "1XB", "nan", "inf"])
def test_what_is_no_size(text: str) -> None:
    """It is said, not guessed."""
    with pytest.raises(Trouble, match="no size"):
        size_bytes(text)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each shell gets a script that asks the program itself."""
    assert main(["completion", shell]) == 0
    assert f"_HOMESTOW_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_the_shell_completes_commands_and_flags() -> None:
    """What the script asks for is answered: sub-commands and flags, also those of the quick sync."""
    asked = {"_HOMESTOW_COMPLETE": "bash_complete", "PATH": "/usr/bin:/bin"}

    def complete(*words: str) -> str:
        env = {**asked, "COMP_WORDS": " ".join(("homestow", *words)), "COMP_CWORD": str(len(words))}
        return subprocess.run(
            [sys.executable, "-m", "homestow"], env=env, capture_output=True, text=True, check=False
        ).stdout

    assert "plain,sync" in complete("sy")
    assert "plain,add" in complete("user", "a")
    assert "plain,--accept-deletes" in complete("sync", "--acc")


def test_there_is_no_traceback_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of ours is told in one line as well; HOMESTOW_DEBUG=1 shows where it was."""

    monkeypatch.setattr("homestow.cli.completion.sys", None)
    assert main(["completion", "bash"]) == 1
    assert capsys.readouterr().err.count("\n") == 1

    monkeypatch.setenv("HOMESTOW_DEBUG", "1")
    assert main(["completion", "bash"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_sync_starts_without_click_and_without_the_server() -> None:
    """The hot command imports neither, until it is known what is wanted."""
    program = (
        "import sys; from homestow.cli import main; main(['sync', '-d', 'x', '-s', 'ftp://no']);"
        "print([name for name in sys.modules if name.startswith(('click', 'homestow.server', 'rich', 'aiohttp', 'keyring'))])"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"

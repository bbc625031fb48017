"""A sync service takes its memory from the C library, which gives it back; nothing else begins twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from homestow.cli.memory import gives_memory_back

GLIBC = (
    sys.platform == "linux" and "CS_GNU_LIBC_VERSION" in os.confstr_names and bool(os.confstr("CS_GNU_LIBC_VERSION"))
)


@pytest.mark.parametrize(
    "args, env, begins",
    [
        (["sync", "-d", "x"], {}, True),
        (["sync"], {}, True),
        (["sync", "--once", "-d", "x"], {}, False),
        (["sync", "-d", "x"], {"PYTHONMALLOC": "malloc"}, False),
        (["sync", "-d", "x"], {"PYTHONMALLOC": "pymalloc"}, False),
        (["serve", "--data", "x"], {}, False),
        ([], {}, False),
    ],
)
def test_only_a_service_begins_again(
    args: list[str], env: dict[str, str], begins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, and not when somebody said how memory is to be taken, or the run is over soon anyhow."""
    monkeypatch.setattr(sys, "orig_argv", [sys.executable, "-m", "homestow", *args])
    assert gives_memory_back(args, env) is (begins and GLIBC)


def test_a_program_that_calls_the_command_is_not_begun_again() -> None:
    """It would be another one: what was called is not what the process was started with."""
    assert not gives_memory_back(["sync", "-d", "x"], {})


@pytest.mark.skipif(not GLIBC, reason="another C library")
def test_the_same_command_goes_on(tmp_path: Path) -> None:
    """Begun again it is the same process with the same words, and what it starts hears nothing of it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys\n"
        "from homestow.cli.memory import begin_again, forget_how, gives_memory_back\n"
        "if gives_memory_back(sys.argv[1:], os.environ):\n"
        "    print(os.getpid(), flush=True)\n"
        "    begin_again()\n"
        "how = os.environ['PYTHONMALLOC']\n"
        "forget_how()\n"
        "print(os.getpid(), how, 'PYTHONMALLOC' in os.environ, *sys.argv[1:])\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "PYTHONMALLOC"}

    done = subprocess.run(
        [sys.executable, str(program), "sync", "-d", "a b"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    first, second = done.stdout.splitlines()
    assert second == f"{first} malloc False sync -d a b"

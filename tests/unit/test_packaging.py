"""The package's metadata, the lock files and the two commands fit together."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import homestow

REPOSITORY = Path(__file__).parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS = ["runtime", "dev"]


def asked(name: str) -> set[str]:
    """The requirements of one `.in` file, spaces and quotes aside."""
    lines = (REPOSITORY / "requirements" / f"{name}.in").read_text("utf-8").splitlines()
    return {plain(line) for line in lines if line and not line.startswith(("#", "-"))}


def pins(name: str) -> dict[str, str]:
    """The packages one lock file names, each with its version."""
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text("utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))


def plain(requirement: str) -> str:
    return requirement.replace(" ", "").replace('"', "'")


def test_the_lock_asks_for_what_the_package_asks_for() -> None:
    """A dependency added to the package is in the file the lock is made from, with the same range."""
    building = {line for line in asked("runtime") if line.startswith(("hatchling", "editables"))}

    assert {plain(line) for line in PROJECT["dependencies"]} == asked("runtime") - building


def test_each_requirement_is_pinned() -> None:
    """The lock files were made after the last change of what they are made from."""
    for name in LOCKS:
        names = {re.split(r"[<>=;\[]", line)[0].lower() for line in asked(name)}
        assert names <= set(pins(name)), name


def test_both_locks_agree() -> None:
    """What the checks ran with is what people get."""
    assert pins("runtime").items() <= pins("dev").items()


@pytest.mark.parametrize("name", LOCKS)
def test_each_pin_has_its_hashes_and_no_registry_is_named(name: str) -> None:
    """A package that changed on its way is refused, wherever it came from."""
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]

    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert "://" not in text


def test_the_version_is_the_same_everywhere() -> None:
    """The package and its metadata name one version."""
    assert PROJECT["version"] == homestow.__version__


@pytest.mark.parametrize("script", ["start", "check", ".ci/run", "scripts/setup.sh"])
def test_scripts_parse(script: str) -> None:
    """The shell scripts have no syntax error."""
    subprocess.run(["bash", "-n", REPOSITORY / script], check=True)


@pytest.mark.parametrize("script", ["start", "check"])
def test_help_needs_no_installation(script: str) -> None:
    """Asking the two commands what they do installs nothing and answers."""
    told = subprocess.run([REPOSITORY / script, "--help"], check=True, capture_output=True, text=True, timeout=10)

    assert told.stdout.startswith(f"Usage: ./{script}")

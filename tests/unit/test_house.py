"""The import contract of pyproject.toml really holds the lines it names."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
]

# A house with every room the contract names, and nothing in it.
ROOMS = [
    *("homestow.cli", "homestow.values", "homestow.wire"),
    *("homestow.server", "homestow.server.bootstrap", "homestow.server.settings", "homestow.server.border"),
    *("homestow.server.rules", "homestow.server.ports", "homestow.server.service", "homestow.server.adapters"),
    *("homestow.server.fronts", "homestow.server.fronts.http", "homestow.server.fronts.api"),
    *("homestow.server.fronts.tcp", "homestow.server.fronts.netdrive"),
    *("homestow.server.fronts.webdav", "homestow.client", "homestow.client.bootstrap", "homestow.client.settings"),
    *("homestow.client.engine", "homestow.client.ports", "homestow.client.running", "homestow.client.adapters"),
    *("homestow.client.control", "homestow.client.apps", "homestow.client.private_files"),
    *("homestow.wire.api", "homestow.wire.isync", "homestow.wire.netdrive", "homestow.wire.picloud", "pycloud"),
]

ALLOWED = [
    ("homestow.cli", "homestow.server.bootstrap"),
    ("homestow.server.bootstrap", "homestow.server.adapters"),
    ("homestow.server.fronts.api", "homestow.server.border"),
    ("homestow.server.fronts.api", "homestow.server.fronts.http"),
    ("homestow.server.fronts.api", "homestow.wire"),
    ("homestow.server.fronts.http", "homestow.server.fronts.tcp"),
    ("homestow.server.fronts.netdrive", "homestow.server.fronts.tcp"),
    ("homestow.server.border", "homestow.server.service"),
    ("homestow.server.service", "homestow.server.ports"),
    ("homestow.server.adapters", "homestow.server.ports"),
    ("homestow.server.ports", "homestow.values"),
    ("homestow.client.bootstrap", "homestow.client.adapters"),
    ("homestow.client.adapters", "homestow.wire"),
    ("homestow.client.control", "homestow.client.private_files"),
    ("homestow.client.adapters", "homestow.client.private_files"),
    ("homestow.client.running", "homestow.client.engine"),
    ("homestow.client.engine", "homestow.values"),
    ("pycloud", "homestow.wire.picloud"),
    ("pycloud", "homestow.values"),
]

FORBIDDEN = [
    ("homestow.values", "homestow.wire"),
    ("homestow.values", "time"),
    ("homestow.wire", "socket"),
    ("homestow.server", "homestow.client"),
    ("homestow.client", "homestow.server"),
    ("homestow.server.adapters", "homestow.cli"),
    ("homestow.server.rules", "homestow.server.ports"),
    ("homestow.server.rules", "random"),
    ("homestow.server.service", "homestow.server.adapters"),
    ("homestow.server.service", "homestow.server.border"),
    ("homestow.server.service", "asyncio"),
    ("homestow.server.adapters", "homestow.server.service"),
    ("homestow.server.fronts.api", "homestow.server.adapters"),
    ("homestow.server.fronts.api", "homestow.server.fronts.webdav"),
    ("homestow.server.fronts.webdav", "homestow.server.fronts.api"),
    ("homestow.server.fronts.http", "homestow.server.fronts.api"),
    ("homestow.server.fronts.tcp", "homestow.server.fronts.http"),
    ("homestow.server.fronts.tcp", "homestow.server.fronts.netdrive"),
    ("homestow.client.engine", "homestow.client.ports"),
    ("homestow.client.engine", "homestow.client.private_files"),
    ("homestow.client.private_files", "homestow.client.ports"),
    ("homestow.client.engine", "homestow.wire"),
    ("homestow.client.engine", "os"),
    ("homestow.client.engine", "threading"),
    ("homestow.client.running", "homestow.client.adapters"),
    ("homestow.client.adapters", "homestow.client.running"),
    ("homestow.client.apps", "homestow.client.running"),
    ("pycloud", "homestow.client"),
    ("pycloud", "homestow.server"),
    ("pycloud", "homestow.wire.netdrive"),
    ("homestow.cli", "pycloud"),
]


def lint(house: Path, imports: list[tuple[str, str]]) -> subprocess.CompletedProcess[str]:
    """Build a house in which each importer imports what stands beside it, and hold the contract against it."""
    for room in ["homestow", *ROOMS]:
        folder = house.joinpath(*room.split("."))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").touch()
    for number, (importer, imported) in enumerate(imports):
        planted = house.joinpath(*importer.split("."), f"planted{number}.py")
        if importer in {"homestow.server", "homestow.client"}:  # the room itself: its modules would be strangers
            planted = planted.with_name("__init__.py")
        planted.write_text(f"import {imported}\n", "utf-8")
    program = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", "--config", str(REPOSITORY / "pyproject.toml")],
        cwd=house,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the contract says about a house with every forbidden import in it."""
    found = lint(tmp_path_factory.mktemp("broken"), FORBIDDEN)
    assert found.returncode == 1, found.stdout + found.stderr
    return found.stdout


def test_the_allowed_directions_keep_every_contract(tmp_path: Path) -> None:
    """Imports in the directions the design draws are no violation."""
    found = lint(tmp_path, ALLOWED)

    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("contract", CONTRACTS)
def test_each_contract_can_break(planted: str, contract: str) -> None:
    """No contract is written so that it holds whatever is imported."""
    assert f"{contract} BROKEN" in planted


@pytest.mark.parametrize("importer,imported", FORBIDDEN)
def test_a_planted_violation_is_named(planted: str, importer: str, imported: str) -> None:
    """The report names the very import that crossed a line."""
    number = FORBIDDEN.index((importer, imported))
    module = importer if importer in {"homestow.server", "homestow.client"} else f"{importer}.planted{number}"
    assert f"{module} -> {imported} (l.1)" in planted

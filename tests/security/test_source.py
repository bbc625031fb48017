"""What the program must never do, looked for in its source: each line of code is read, so nothing comes in unseen."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src"

BANNED = {
    "pickle": "S84", "cPickle": "S84", "marshal": "S84", "shelve": "S84", "dill": "S84", "jsonpickle": "S84", "yaml": "S84",
    "telnetlib": "S56", "pty": "S56", "code": "S56", "codeop": "S56", "crypt": "S46", "exiftool": "S99",
}  # fmt: skip
UNPACKING = {"zipfile", "tarfile", "shutil.unpack_archive", "py7zr", "rarfile", "patoolib"}
FETCHING = {"urllib.request", "http.client", "requests", "httpx", "urllib3", "ftplib", "smtplib"}
CALLS_THAT_RUN_TEXT = {"eval", "exec", "compile", "__import__"}
RUNNERS = {
    "server/adapters/catalogue_sql/database.py": "our own migrations, arguments fixed",
    "cli/housekeeping.py": "our own server, arguments fixed",
    "cli/unit.py": "systemctl, arguments fixed",
    "client/adapters/discovery.py": "our own reader of mDNS, whose only argument is a number",
    "client/apps/qt/starting.py": "our own sync service, arguments fixed",
}
"""The only modules that start programs; none with a word that came over the network."""


@cache
def trees() -> dict[str, ast.Module]:
    """Every module of ours by its path below `src/homestow`, and of `pycloud` beside it."""
    return {
        str(path.relative_to(SOURCE)).removeprefix("homestow/"): ast.parse(path.read_text("utf-8"), str(path))
        for path in sorted(SOURCE.rglob("*.py"))
    }


def imported(tree: ast.Module) -> Iterator[str]:
    """Modules that a module imports, `from a import b` as both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def users_of(modules: set[str]) -> set[str]:
    """Which of our modules import one of these, or something of it."""
    return {
        path for path, tree in trees().items()
        for name in imported(tree) if any(name == module or name.startswith(f"{module}.") for module in modules)
    }  # fmt: skip


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Calls by the last part of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    yield name, node
                case _:  # what is called was made by another call
                    pass


def test_S84_S56_S99_nothing_is_imported_that_runs_what_it_reads() -> None:
    """No unpickling, no YAML, no shells, no metadata tool."""
    assert users_of(set(BANNED)) == set()


def test_S84_no_message_is_unpickled() -> None:
    """ZeroMQ's own ways to send objects unpickle what comes: they are called nowhere."""
    unpickling = {f"{way}_pyobj" for way in ("send", "recv")}
    assert {path for path, tree in trees().items() for name, _ in calls(tree) if name in unpickling} == set()


def test_S10_S11_nothing_is_unpacked() -> None:
    """No archive is opened anywhere, so none can climb out or burst."""
    assert users_of(UNPACKING) == set()


def test_S41_the_server_fetches_nothing_by_address() -> None:
    """No module of the server can ask another host for anything; the client asks the one server it was given."""
    assert {path for path in users_of(FETCHING) if path.startswith("server/")} == set()
    for path, tree in trees().items():
        if path.startswith("server/"):
            names = {name for name, _ in calls(tree)}
            assert not names & {"ClientSession", "create_connection", "open_connection", "urlopen"}, path


def test_S48_no_token_is_signed_by_a_form_that_names_its_own_algorithm() -> None:
    """No JWT before the front that orders one, whose `jti` is then a row."""
    users = users_of({"jwt", "jose", "authlib"})
    assert {path for path in users if "ditto" not in path} == set()


def test_S56_no_text_is_run() -> None:
    """No eval, no exec, no shell, no program named by anybody but us."""
    for path, tree in trees().items():
        for name, call in calls(tree):
            if isinstance(call.func, ast.Name):
                assert name not in CALLS_THAT_RUN_TEXT, f"{path}:{call.lineno}"
            assert name not in ("system", "popen", "spawnl", "spawnv", "create_subprocess_shell"), (
                f"{path}:{call.lineno}"
            )
            for word in call.keywords:
                assert word.arg != "shell", f"{path}:{call.lineno}"
    media = {path for path in users_of({"subprocess"}) if "media" in path or "thumb" in path}
    assert users_of({"subprocess"}) - media <= set(RUNNERS), "say here why this module starts a program"


def test_S50_chance_makes_no_token() -> None:
    """The server's own code draws from `secrets`; `random` is for stores of tests and for pauses of the client."""
    users = {path for path in users_of({"random"}) if "memory" not in path}
    assert {path for path in users if path.startswith(("server/", "cli/"))} == set()


def test_S42_no_statement_is_made_of_values() -> None:
    """What goes to the database is fixed text with places for values; all that may be put into it is a constant of the module."""
    seen = 0
    for path, tree in trees().items():
        if not path.startswith("server/"):
            continue
        for name, call in calls(tree):
            if name in ("execute", "executemany", "executescript") and call.args:
                seen += 1
                given = call.args[0]
                built = [part for part in ast.walk(given) if isinstance(part, ast.FormattedValue)]
                assert not [part for part in built if not is_constant_name(part)], f"{path}:{call.lineno}"
                assert not [
                    part for part in ast.walk(given)
                    if (isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mod))
                    or (isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "format")
                ], f"{path}:{call.lineno}"  # fmt: skip
    assert seen > 50


def is_constant_name(part: ast.FormattedValue) -> bool:
    """Whether what is put into a statement is a constant of the module by its spelling."""
    return isinstance(part.value, ast.Name) and part.value.id.isupper()


def test_S86_S102_nothing_listens_everywhere_by_default() -> None:
    """No address of all interfaces stands in the source; who wants one says so."""
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in ("0.0.0.0", "::", "[::]"), f"{path}:{node.lineno}"


def test_S24_no_page_of_ours_writes_markup() -> None:
    """The browser's code puts names into text only: none of the ways that read markup or run text."""
    ways = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|\bon\w+=\"|javascript:"
    )
    for path in (*SOURCE.rglob("*.js"), *SOURCE.rglob("*.mjs"), *SOURCE.rglob("*.html")):
        found = ways.search(path.read_text("utf-8"))
        assert found is None, path


@pytest.mark.parametrize(
    "rule", ["S102", "S301", "S302", "S307", "S311", "S501", "S506", "S602", "S605", "S608", "S701"]
)
def test_S84_S50_S42_the_linter_looks_too(rule: str) -> None:
    """The linter's own rules for these are on for the source, and no file of it is let off."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["lint"]
    assert rule in settings["select"]
    assert rule not in settings["ignore"]
    for files, ignored in settings["per-file-ignores"].items():
        assert not files.startswith("src") or not {rule, "S"} & set(ignored)

"""The texts of window and page: both languages whole, none missing, none idle, and one for everything that can go wrong."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest

from homestow.client import control, ports, running
from homestow.client.apps.texts import FAMILIES, LANGUAGES, Language, Texts, desktop_languages, language_of
from homestow.client.apps.texts.catalogue import fields, load
from homestow.values.errors import CloudError, all_errors
from homestow.wire.control import (
    DirectionText,
    EventKind,
    FrequencyText,
    GeneralText,
    SolveText,
    StateText,
    Workspace,
)

SOURCE = Path(__file__).parents[2] / "src/homestow/client"
APPS = SOURCE / "apps"
CATALOGUES = {language: load(language) for language in LANGUAGES}

OF_THE_SERVICE = {
    *("wrong-version", "not-ready", "unknown-order"),
    *("link", "special-file", "became-link", "became-special-file", "bad-name", "reserved-name", "unreadable-folder"),
    *("case-clash", "read-only", "only-here", "left-out", "name-left-out"),
    *("folder-path", "folder-parent", "folder-rights", "folder-file", "folder-disk", "folder-ours", "folder-unread"),
}
"""Codes that are no error classes: refusals of control, reasons of the engine why an item is not in step, and what is against a
folder."""


def python_sources() -> Iterator[ast.Module]:
    for path in sorted([*APPS.rglob("*.py"), *(SOURCE.parent / "cli").rglob("*.py")]):
        yield ast.parse(path.read_text("utf-8"))


def page_sources() -> Iterator[str]:
    for folder in (APPS, SOURCE / "control"):
        for path in sorted(folder.rglob("*")):
            if path.suffix in {".js", ".mjs", ".html"}:
                yield path.read_text("utf-8")


def names_texts(call: ast.Call) -> bool:
    """Whether a call is one of a `Texts`: `texts(…)`, `self._texts(…)`, `self.model.texts(…)`."""
    called = call.func
    name = called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
    return name in {"texts", "_texts"}


def family(key: str) -> str | None:
    area = key.partition(".")[0]
    return area if area in FAMILIES else None


def test_both_languages_have_the_same_texts() -> None:
    """Each key stands in every catalogue, and keys are sorted, so that two changes seldom meet."""
    keys = [list(catalogue) for catalogue in CATALOGUES.values()]

    assert all(each == sorted(keys[0]) for each in keys)


@pytest.mark.parametrize("key", CATALOGUES["en"])
def test_both_languages_fill_in_the_same_values(key: str) -> None:
    """A translation shows each value that the English text shows, none is empty, and English with a number has both forms."""
    english, chinese = CATALOGUES["en"][key], CATALOGUES["zh"][key]

    assert fields(english) == fields(chinese)
    assert re.fullmatch(r"[a-z]+\.[a-z0-9]+(-[a-z0-9]+)*", key)
    for text, forms in ((english, {"one", "other"}), (chinese, {"other"})):
        if not isinstance(text, str):
            assert set(text) == forms
            assert "n" in fields(text)
        assert all((text,) if isinstance(text, str) else text.values())


def test_every_text_that_code_asks_for_is_there_and_gets_its_values() -> None:
    """A key written in a call exists, and the call gives just the values of the text."""
    for module in python_sources():
        for call in (node for node in ast.walk(module) if isinstance(node, ast.Call) and names_texts(node)):
            if not call.args or not isinstance(call.args[0], ast.Constant) or not isinstance(call.args[0].value, str):
                continue
            key = call.args[0].value
            assert key in CATALOGUES["en"], key
            given = {keyword.arg for keyword in call.keywords}
            if None not in given:
                wanted = fields(CATALOGUES["en"][key])
                assert wanted <= given, (key, wanted - given)
                assert given - wanted <= {"n"}, (key, given - wanted)


def test_every_text_of_the_page_is_there() -> None:
    """What looks like a key in the page's sources, with an area of ours in front, is one."""
    areas = {key.partition(".")[0] for key in CATALOGUES["en"]}
    for source in page_sources():
        for area, name in re.findall(r"(?:\bt\(|data-text=|data-label=)[\"'`]([a-z]+)\.([a-z0-9-]+)[\"'`]", source):
            assert area not in areas or f"{area}.{name}" in CATALOGUES["en"], f"{area}.{name}"


def test_no_text_is_idle() -> None:
    """Each key stands in code, but for families, which are checked below."""
    used = {
        node.value
        for module in python_sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    pages = "\n".join(page_sources())
    idle = [
        key
        for key in CATALOGUES["en"]
        if family(key) is None and key not in used and not re.search(rf"[\"'`]{re.escape(key)}[\"'`]", pages)
    ]

    assert idle == []


def test_families_are_whole() -> None:
    """States, kinds and choices of the protocol each have their text, and no other has."""
    whole = {
        "state": get_args(StateText),
        "general": get_args(GeneralText),
        "kind": get_args(EventKind),
        "direction": get_args(DirectionText),
        "frequency": get_args(FrequencyText),
        "solve": get_args(SolveText),
        "rights": get_args(Workspace.__annotations__["rights"]),
    }
    for name, values in whole.items():
        assert {key.partition(".")[2] for key in CATALOGUES["en"] if family(key) == name} == set(values), name


def test_each_trouble_has_its_sentence() -> None:
    """Every code of an error or problem has a text in both languages; nothing says what to do about a code that is none."""
    for package in (ports, running, control):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    codes = {kind.code for kind in all_errors()} | {CloudError.code} | OF_THE_SERVICE
    told = {key.partition(".")[2] for key in CATALOGUES["en"] if family(key) == "code"}
    done = {key.partition(".")[2] for key in CATALOGUES["en"] if family(key) == "do"}

    assert codes <= told
    assert told - codes == {"unknown"}
    assert done <= codes


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_trouble_names_its_file_and_what_to_do(language: Language) -> None:
    """The file stands in the sentence, what to do beside it, and the service's own words are kept for who wants them."""
    told = Texts(language).told("local-full", "holiday.jpg: no room.", path="holiday.jpg")

    assert "holiday.jpg" in told.what
    assert told.todo
    assert told.detail == "holiday.jpg: no room."


def test_a_trouble_of_tomorrow_is_told_in_the_words_of_the_service() -> None:
    """A code that this version does not know falls back to the message; without one, to an honest sentence."""
    texts = Texts("zh")

    assert texts.told("quantum-flux", "The flux ran out.").what == "The flux ran out."
    assert texts.told("quantum-flux").what == texts("code.unknown")
    assert texts.told("bad-request").what == texts("code.unknown")


@pytest.mark.parametrize(
    "setting, environment, language",
    [
        ("", {}, "en"),
        ("", {"LANG": "zh_CN.UTF-8"}, "zh"),
        ("", {"LANG": "de_DE.UTF-8"}, "en"),
        ("", {"LANG": "de_DE.UTF-8", "LANGUAGE": "de:zh_TW:en"}, "zh"),
        ("", {"LANG": "C.UTF-8", "LANGUAGE": "zh"}, "en"),
        ("", {"LC_ALL": "en_GB.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ("zh", {"LANG": "en_US.UTF-8"}, "zh"),
        ("en", {"LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_setting_else_the_desktops(
    setting: str, environment: dict[str, str], language: Language
) -> None:
    """A setting wins; without one the first language of the desktop that we have; else English."""
    assert language_of(setting, desktop_languages(environment)) == language


@pytest.mark.parametrize(
    "size, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_940, "99.9 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (5 * 10**9, "5.0 GB"),
        (3 * 10**15, "3000 TB"),
    ],
)
def test_sizes_are_short(size: int, text: str) -> None:
    """Three figures at most, in the next unit when rounding reaches it."""
    assert Texts().size(size) == text


def test_times_and_numbers_read_naturally() -> None:
    """One day, many days, thousands apart; today and yesterday by name."""
    texts = Texts()
    now = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

    assert texts("share.days", n=1) == "1 day"
    assert texts("share.days", n=100_000) == "100,000 days"
    assert texts.left(0.2) == "1 second"
    assert texts.left(7300) == "2 hours"
    assert texts.when(int(datetime(2026, 11, 21, 8, 5, tzinfo=UTC).timestamp() * 1e9), now) == "today 08:05"
    assert texts.when(int(datetime(2026, 11, 20, 23, 59, tzinfo=UTC).timestamp() * 1e9), now) == "yesterday 23:59"
    assert texts.when(int(datetime(2025, 1, 2, 3, 4, tzinfo=UTC).timestamp() * 1e9), now) == "2025-01-02 03:04"
    assert texts.when(2**62, now) == "2116-02-20 23:53"
    assert texts.when(-(2**63), now) == "1677-09-21 00:12"

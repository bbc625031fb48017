"""Texts in the language of the person, filled in with values, numbers, sizes and times."""

import json
import string
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, NamedTuple

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = ("en", "zh")
FAMILIES: Final = ("code", "do", "state", "general", "kind", "direction", "frequency", "solve", "rights")
"""Areas whose names are values of the control protocol: states, event kinds, codes of errors and problems, what to do then."""

_FOLDER: Final = Path(__file__).parent
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")
_NOT_SAID: Final = "code.unknown"
Text = str | Mapping[str, str]
Value = str | int | float


class Told(NamedTuple):
    """A trouble for people: what happened (to which file), what to do ("" nothing), and what the service said of it, in English.

    `detail` is "" when `what` says it already.
    """

    what: str
    todo: str
    detail: str

    def __str__(self) -> str:
        """What happened and what to do, in one line."""
        space = "" if self.what.endswith("。") else " "
        return f"{self.what}{space}{self.todo}".strip()


class Texts:
    """The texts of one language."""

    def __init__(self, language: Language = "en") -> None:
        self.language: Final[Language] = language
        self.catalogue: Final[Mapping[str, Text]] = load(language)

    def __call__(self, key: str, **values: Value) -> str:
        """The text of a key, filled in; a value `n` chooses the plural form and is shown with its thousands apart.

        Raises:
            KeyError: there is no such text, or a value of it was not given.
        """
        text = self.catalogue[key]
        if not isinstance(text, str):
            text = text["one"] if values.get("n") == 1 and "one" in text else text["other"]
        return text.format_map({name: _shown(value) for name, value in values.items()}) if values else text

    def told(self, code: str, message: str = "", *, path: str = "", server: str = "") -> Told:
        """A trouble by its stable code, in this language; a code that is not known gives the service's own message.

        `message` is the service's sentence in English. Codes that can mean many things show it as it is.
        """
        key = f"code.{code}"
        if key not in self.catalogue:
            return Told(message, "", "") if message else Told(self(_NOT_SAID), "", "")
        wanted = fields(self.catalogue[key])
        if "message" in wanted and not message:
            return Told(self(_NOT_SAID), self._todo(code), "")
        what = self(
            key,
            file=self("unit.quoted", text=path) if path else self("unit.this-item"),
            server=server or self("unit.the-server"),
            message=message,
        )
        if not server or not what.startswith(server):
            what = what[:1].upper() + what[1:]
        return Told(what, self._todo(code), "" if "message" in wanted else message)

    def _todo(self, code: str) -> str:
        key = f"do.{code}"
        return self(key) if key in self.catalogue else ""

    def size(self, size_bytes: float) -> str:
        """A number of bytes with its unit, such as "3.2 MB"."""
        size = float(size_bytes)
        for unit in _UNITS[:-1]:
            if size < (1000 if unit == "B" else 999.5):
                break
            size /= 1000
        else:
            unit = _UNITS[-1]
        return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"

    def rate(self, bytes_per_s: float) -> str:
        """A speed, such as "3.2 MB/s"."""
        return f"{self.size(bytes_per_s)}/s"

    def left(self, seconds: float) -> str:
        """How long something still takes, roughly."""
        if seconds < 60:
            return self("unit.seconds", n=max(1, round(seconds)))
        if seconds < 3600:
            return self("unit.minutes", n=round(seconds / 60))
        if seconds < 48 * 3600:
            return self("unit.hours", n=round(seconds / 3600))
        return self("unit.days", n=round(seconds / 86400))

    def when(self, at_ns: int, now: datetime | None = None) -> str:
        """A moment in local time: of today and yesterday by name, else by date."""
        now = now or datetime.now().astimezone()
        try:
            at = datetime.fromtimestamp(at_ns / 1e9, tz=now.tzinfo)
        except (OverflowError, ValueError, OSError):
            return self("unit.no-time")
        time = f"{at:%H:%M}"
        if at.date() == now.date():
            return self("unit.today", time=time)
        if at.date() == now.date() - timedelta(days=1):
            return self("unit.yesterday", time=time)
        return f"{at:%Y-%m-%d} {time}"


def load(language: Language) -> Mapping[str, Text]:
    """The catalogue of a language, key to text or plural forms."""
    catalogue: dict[str, Text] = json.loads((_FOLDER / f"{language}.json").read_text("utf-8"))
    return catalogue


def fields(text: Text) -> set[str]:
    """The names of the values that a text, or any of its plural forms, holds."""
    forms = (text,) if isinstance(text, str) else text.values()
    return {name for form in forms for _, name, _, _ in string.Formatter().parse(form) if name}


def language_of(setting: str, tags: Iterable[str] = ()) -> Language:
    """The language of a setting ("en", "zh"), or with "" the first of the desktop's that we have, else English.

    Args:
        tags: what the desktop prefers, the best first, such as "zh_CN.UTF-8" or "zh-Hans-CN".
    """
    for tag in (setting, *tags):
        short = tag.replace("-", "_").partition(".")[0].partition("_")[0].lower()
        for language in LANGUAGES:
            if short == language:
                return language
    return "en"


def desktop_languages(environment: Mapping[str, str]) -> list[str]:
    """The languages that an environment asks for, the best first, as gettext reads them."""
    locale = environment.get("LC_ALL") or environment.get("LC_MESSAGES") or environment.get("LANG") or ""
    if locale.partition(".")[0] in ("", "C", "POSIX"):
        return [locale] if locale else []
    return [*filter(None, environment.get("LANGUAGE", "").split(":")), locale]


def _shown(value: Value) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)

"""Flags as a table, read without click: one table gives the quick reading of `homestow sync` and click's help and mistakes."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Flag(NamedTuple):
    """One flag of a command.

    Attributes:
        names: how it is written, the shortest first; the last one, without dashes, is its key.
        about: what it does, for the help.
        shows: the word that stands for its value in the help; None: it is a switch.
        default: its value when it is not given; None: nothing.
        choices: the only values it may have; empty: any.
        env: the environment variable that gives it when the command line does not.
    """

    names: tuple[str, ...]
    about: str
    shows: str | None = None
    default: str | None = None
    choices: tuple[str, ...] = ()
    env: str | None = None

    @property
    def key(self) -> str:
        """Its name in what `read` gives."""
        return self.names[-1].lstrip("-").replace("-", "_")


Given = Mapping[str, str | bool | None]
"""Values by key: a switch is a bool, anything else text, or None when it was not given and has no default."""


def read(args: Sequence[str], flags: Sequence[Flag]) -> dict[str, str | bool | None] | None:
    """The values that `args` give; None when anything is not plainly written as the table says.

    A value stands in the next word, or after '='. The last of several wins.
    """
    by_name = {name: flag for flag in flags for name in flag.names}
    given: dict[str, str | bool | None] = {}
    for flag in flags:
        found = os.environ.get(flag.env) if flag.env else None
        given[flag.key] = False if flag.shows is None else found or flag.default
    rest = iter(args)
    for word in rest:
        name, equals, value = word.partition("=")
        known = by_name.get(name)
        if known is None:
            return None
        if known.shows is None:
            if equals:
                return None
            given[known.key] = True
            continue
        text = value if equals else next(rest, None)
        if text is None or (known.choices and text not in known.choices):
            return None
        given[known.key] = text
    return given

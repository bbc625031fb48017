"""What is made from a hostile name: names on disks, conflict copies, headers, lines (rows S04, S13, S21, S98)."""

import re
from itertools import islice

from tests.security.vectors import legal, names, stored

from homestow.cli.troubles import one_line
from homestow.client.adapters.disk.names import to_disk
from homestow.client.ports.localtree import LocalTrouble
from homestow.server.fronts.http.disposition import Disposition, content_disposition
from homestow.server.rules.naming import disk_names
from homestow.values.paths import conflict_name, numbered, with_suffix

NAMES = names()
LEGAL = [stored(name) for name in NAMES if legal(name)]
_VALUE = re.compile(
    r"attachment; filename=\"([ !#$&-.0-9:-\[\]-~]+)\"(?:; filename\*=UTF-8''([!#$&+\-.^_`|~0-9A-Za-z]|%[0-9A-F]{2})+)?"
)


def test_S04_no_name_from_a_server_is_more_than_one_name_here() -> None:
    """Whatever a server calls a file, the client's last line of defence gives one name of one folder, or refuses it."""
    refused = 0
    for name in NAMES:
        try:
            raw = to_disk(name)
        except LocalTrouble:
            refused += 1
            assert not legal(name), ascii(name)
            continue
        assert raw not in (b"", b".", b".."), ascii(name)
        assert b"/" not in raw, ascii(name)
        assert b"\0" not in raw, ascii(name)
    assert refused > 1000


def test_S04_S13_names_made_from_names_may_stand() -> None:
    """Conflict copies, numbers and suffixes of hostile names, made with hostile names of devices, are names again."""
    for at, name in enumerate(LEGAL):
        device = NAMES[at % len(NAMES)]
        for made in (
            conflict_name(name, device, 1_900_000_000 * 10**9, "0123456789abcdef"), numbered(name, {name}),
            with_suffix(name, " (2)"),
        ):  # fmt: skip
            assert legal(made), (ascii(name), ascii(device), ascii(made))
            assert made != name


def test_S13_names_on_poor_disks_may_stand() -> None:
    """The names that are tried on a disk that takes less are names, each of them other than the ones before, and short enough."""
    for name in LEGAL:
        for most in (255, 143):
            tried = list(islice(disk_names(name, most), 4))
            assert len(set(tried)) == len(tried), ascii(name)
            for made in tried:
                assert legal(made), (ascii(name), ascii(made))
                assert len(made.encode()) <= most, (ascii(name), ascii(made))
            assert not set('<>:"|?*\\') & set(tried[-1]), ascii(name)
            assert tried[-1][-1] not in ". ", ascii(name)


def test_S21_every_name_makes_one_safe_header() -> None:
    """Any name gives one line of visible ASCII whose quoted part has no quote, backslash, slash or percent in it."""
    for name in NAMES:
        value = content_disposition(Disposition.ATTACHMENT, name)
        assert _VALUE.fullmatch(value), (ascii(name), value)


def test_S98_every_name_is_one_line() -> None:
    """Any name in a line for people gives one line without a character that a terminal obeys."""
    for name in NAMES:
        assert one_line(f"x{name}y").isprintable(), ascii(name)

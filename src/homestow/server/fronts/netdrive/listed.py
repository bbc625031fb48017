"""How files are told in both lists."""

from collections.abc import Iterator
from typing import Final

from homestow.server.service.netdrive_facts import ListedFile, Listing

UNREADABLE: Final = "0" * 32
"""Stands for the md5 of a file that cannot be read now: it is there, and equals no content that anybody has."""


def files_of(listing: Listing) -> Iterator[ListedFile]:
    """All files. One that cannot be read is listed all the same: a client must not take it for deleted."""
    return (file if file.md5 else file._replace(md5=UNREADABLE) for file in listing.files)

"""The `Content-Disposition` header: any file name in, one safe header value out (S21)."""

import re
from enum import Enum
from typing import Final
from urllib.parse import quote

_FALLBACK: Final = "download"
_MAX_NAME: Final = 255

# Control characters, line and paragraph separators, and marks that turn the direction of text: none belongs in a
# name that is shown to somebody deciding whether to open it.
_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Besides what is not ASCII: the quote and backslash, which parsers undo differently, "/" and "%", which some decode.
_NOT_PLAIN = re.compile(r'[^\x20-\x7e]|["\\/%]')
_ATTR_CHAR: Final = "!#$&+-.^_`|~"


class Disposition(Enum):
    """What the receiver should do with content: show it, or save it under its name."""

    INLINE = "inline"
    ATTACHMENT = "attachment"


def content_disposition(kind: Disposition, name: str) -> str:
    """The header value for content named `name`, ASCII only and free of CR, LF and quotes inside the quotes.

    Names of plain ASCII go out as `filename="…"`; others get a stand-in there and the true name in `filename*`.
    Control and direction-turning characters are dropped, path separators become "_", an empty name "download".
    Source: RFC 6266 and RFC 8187.
    """
    clean = _SURROGATE.sub("\ufffd", _UNSHOWN.sub("", name))[:_MAX_NAME].strip()
    clean = clean.replace("/", "_").replace("\\", "_")
    if clean.strip(".") == "":
        clean = _FALLBACK
    plain = _NOT_PLAIN.sub("_", clean)
    value = f'{kind.value}; filename="{plain}"'
    if plain != clean:
        value += f"; filename*=UTF-8''{quote(clean, safe=_ATTR_CHAR)}"
    return value

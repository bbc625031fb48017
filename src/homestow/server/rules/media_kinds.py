"""What kind of media a file name promises. Pure: the content itself is asked by the media workers."""

from enum import IntEnum
from typing import Final


class MediaKind(IntEnum):
    """What kind of content it is; the numbers are those of the isync calls."""

    IMAGE = 1
    GIF = 2
    VIDEO = 4
    AUDIO = 8
    OTHER = 16


_IMAGES: Final = "jpg jpeg jpe jfif png apng webp heic heif hif avif tif tiff bmp dib"
_RAW: Final = "dng cr2 cr3 crw nef nrw arw sr2 srf orf rw2 raf pef srw rwl 3fr erf kdc mrw iiq"
_FILMS: Final = "mp4 m4v mov qt mkv webm avi 3gp 3g2 mpg mpeg m2v mts m2ts wmv asf flv ogv vob"
_SOUNDS: Final = "mp3 flac ogg oga opus wav wave m4a m4b aac aif aiff wma ac3 amr caf mka"

RAW_EXTENSIONS: Final = frozenset(_RAW.split())
"""Extensions of cameras' raw formats; their embedded preview is what is shown."""

_KINDS: Final = {
    **dict.fromkeys([*_IMAGES.split(), *RAW_EXTENSIONS], MediaKind.IMAGE),
    **dict.fromkeys(_FILMS.split(), MediaKind.VIDEO),
    **dict.fromkeys(_SOUNDS.split(), MediaKind.AUDIO),
    "gif": MediaKind.GIF,
}


def extension_of(name: str) -> str:
    """The extension in small letters, without the dot; "" when there is none or the name only begins with a dot."""
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem else ""


def kind_of(name: str) -> MediaKind:
    """What kind of content a file of this name is likely to have."""
    return _KINDS.get(extension_of(name), MediaKind.OTHER)

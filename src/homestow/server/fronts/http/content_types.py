"""What content is called to browsers by its file name, and whether they may show it or only save it (S22).

What could run as a program in our origin (HTML, SVG, XML, scripts, PDF) is told what it is, but only to be saved; what people
look at in galleries and players is shown. All of it goes out under `SAFE`, so a browser runs nothing of it either way.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from homestow.server.fronts.http.disposition import Disposition

SAFE: Final[Mapping[str, str]] = MappingProxyType(
    {"Content-Security-Policy": "sandbox", "Cross-Origin-Resource-Policy": "same-origin"}
)
"""Headers of all answers with people's own content; `nosniff` is in every answer anyway."""

_UNKNOWN: Final = "application/octet-stream"
_SHOWN: Final = {
    "image/jpeg": "jpg jpeg jpe jfif", "image/png": "png apng", "image/gif": "gif", "image/webp": "webp",
    "image/heic": "heic", "image/heif": "heif hif", "image/avif": "avif", "image/tiff": "tif tiff",
    "image/bmp": "bmp dib", "video/mp4": "mp4 m4v", "video/quicktime": "mov qt", "video/x-matroska": "mkv",
    "video/webm": "webm", "video/x-msvideo": "avi", "video/3gpp": "3gp", "video/3gpp2": "3g2", "video/mpeg": "mpg mpeg m2v",
    "video/mp2t": "mts m2ts", "video/x-ms-wmv": "wmv", "video/ogg": "ogv", "audio/mpeg": "mp3",
    "audio/flac": "flac", "audio/ogg": "ogg oga opus", "audio/wav": "wav wave", "audio/mp4": "m4a m4b", "audio/aac": "aac",
    "audio/aiff": "aif aiff aifc", "audio/x-ms-wma": "wma", "audio/amr": "amr", "text/plain; charset=utf-8": "txt log",
}  # fmt: skip
_SAVED: Final = {
    "text/html; charset=utf-8": "html htm", "image/svg+xml": "svg", "application/xhtml+xml": "xhtml", "text/xml": "xml",
    "text/javascript": "js mjs", "text/css": "css", "application/pdf": "pdf", "application/json": "json", "text/csv": "csv",
    "text/markdown": "md", "application/zip": "zip", "application/gzip": "gz", "application/x-tar": "tar",
    "application/x-7z-compressed": "7z", "application/msword": "doc", "application/rtf": "rtf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.oasis.opendocument.text": "odt", "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/epub+zip": "epub",
}  # fmt: skip
_BY_EXTENSION: Final = {
    extension: (kind, disposition)
    for kinds, disposition in ((_SHOWN, Disposition.INLINE), (_SAVED, Disposition.ATTACHMENT))
    for kind, extensions in kinds.items()
    for extension in extensions.split()
}


def content_type(name: str) -> tuple[str, Disposition]:
    """The type of content of this name, and what a browser should do with it; unknown content is saved."""
    stem, _, extension = name.rpartition(".")
    return _BY_EXTENSION.get(extension.lower() if stem else "", (_UNKNOWN, Disposition.ATTACHMENT))

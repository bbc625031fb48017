"""Facts and posters of films, and facts of sounds, by ffmpeg: the file as a descriptor, nothing else opened (S96)."""

import math
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from PIL import Image

from homestow.server.adapters.media_workers.exif import moment
from homestow.server.adapters.media_workers.pictures import MOST_PIXELS, Unreadable, reduced
from homestow.server.ports.media import Facts
from homestow.server.rules.media_kinds import MediaKind, extension_of, kind_of

CPU_S: Final = 10
_DEMUXERS: Final = "aac,ac3,aiff,amr,asf,avi,caf,flac,flv,matroska,mov,mp3,mpeg,mpegts,mpegvideo,ogg,wav,w64"
"""Formats that hold streams themselves. None that names other files or addresses: no hls, dash, concat, image2, sdp, tee …"""
_FENCE: Final = (
    "-nostdin", "-hide_banner", "-threads", "1", "-protocol_whitelist", "fd,pipe", "-format_whitelist", _DEMUXERS,
    "-max_pixels", str(MOST_PIXELS), "-probesize", "10M", "-analyzeduration", "5M",
)  # fmt: skip
_MOST_SAID: Final = 1024 * 1024
_MOST_PICTURE: Final = 16 * 1024 * 1024
_NAMES: Final = {"mov": "MP4", "matroska": "MKV", "mpegts": "M2TS", "mpegvideo": "MPG", "mpeg": "MPG"}

_INPUT: Final = re.compile(r"^Input #0, ([a-z0-9]+)[a-z0-9,]*, from", re.MULTILINE)
_TAG: Final = re.compile(r"^    ([A-Za-z0-9_.-]+) *: (.*)$", re.MULTILINE)
_DURATION: Final = re.compile(r"^  Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
_STREAM: Final = re.compile(r"^  Stream #0:\d+.*?: (Video|Audio): ([a-z0-9_]+)(.*)$", re.MULTILINE)
_SIDES: Final = re.compile(r", (\d{1,6})x(\d{1,6})(?: \[SAR (\d{1,6}):(\d{1,6}) )?")
_ROTATION: Final = re.compile(r"isplay ?[Mm]atrix: rotation of (-?\d+(?:\.\d+)?) degrees")
_PLACE: Final = re.compile(r"^([+-]\d{1,3}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)")
_ORIENTATIONS: Final = {90: 8, 180: 3, 270: 6}
_PPM: Final = re.compile(rb"P6\s(\d{1,5}) (\d{1,5})\s255\s")


def find_ffmpeg() -> str | None:
    """The ffmpeg to use: the one that comes with us, for every one before 6.0 cannot read from a descriptor; else the system's."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError:
        return shutil.which("ffmpeg", path="/usr/local/bin:/usr/bin:/bin")


class Films:
    """Reads films and sounds.

    Args:
        ffmpeg: the program.
        nothing: a descriptor of /dev/null, for nothing can be opened for writing any more.
    """

    def __init__(self, ffmpeg: str, nothing: int) -> None:
        self._ffmpeg = ffmpeg
        self._nothing = nothing

    def facts(self, descriptor: int, name: str) -> Facts:
        """Facts, as ffmpeg tells them about its input.

        Raises:
            Unreadable: ffmpeg cannot read it.
        """
        arguments = [*_FENCE, "-fd", str(descriptor), "-i", "fd:"]
        said = self._run(arguments, descriptor, _MOST_SAID, said=True).decode("utf-8", "replace")
        return understood(said, name)

    def poster(self, descriptor: int, duration_s: float | None, sizes: Sequence[int]) -> dict[int, bytes]:
        """The frame at one second, or the first of a shorter film, by size.

        Raises:
            Unreadable: there is none.
        """
        starts = ["0"] if duration_s is not None and duration_s <= 1 else ["1", "0"]
        for start in starts:
            side = max(sizes)
            scale = (
                f"scale=w='max(1,trunc(iw*if(sar,sar,1)))':h=ih,setsar=1,"
                f"scale=w='min({side},iw)':h='min({side},ih)':force_original_aspect_ratio=decrease"
            )
            body = self._run(
                [
                    *_FENCE, "-v", "error", "-ss", start, "-fd", str(descriptor), "-i", "fd:", "-map", "0:V:0",
                    "-frames:v", "1", "-filter_threads", "1", "-vf", scale, "-pix_fmt", "rgb24", "-c:v", "ppm",
                    "-threads", "1", "-f", "image2pipe", "pipe:1",
                ],
                descriptor, _MOST_PICTURE, said=False,
            )  # fmt: skip
            head = _PPM.match(body)
            if head is not None:
                width, height = int(head[1]), int(head[2])
                pixels = body[head.end() :]
                if width and height and len(pixels) == width * height * 3:
                    return reduced(Image.frombytes("RGB", (width, height), pixels), sizes, None)
        raise Unreadable("No picture of this film can be decoded.")

    def _run(self, arguments: list[str], descriptor: int, most: int, *, said: bool) -> bytes:
        """What ffmpeg says, or what it puts out, up to `most` bytes."""
        os.lseek(descriptor, 0, os.SEEK_SET)
        with subprocess.Popen(
            [self._ffmpeg, *arguments], stdin=self._nothing, stdout=self._nothing if said else subprocess.PIPE,
            stderr=subprocess.PIPE if said else self._nothing, pass_fds=(descriptor,), env={"LC_ALL": "C"}, cwd="/",
        ) as process:  # fmt: skip
            resource.prlimit(process.pid, resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
            pipe = process.stderr if said else process.stdout
            assert pipe is not None
            return pipe.read(most)


def understood(said: str, name: str) -> Facts:
    """Facts from what ffmpeg says about its input; `name` for its extension.

    Raises:
        Unreadable: it says there is none.
    """
    begun = _INPUT.search(said)
    if begun is None:
        raise Unreadable("The file is no film or sound of a known format, or is damaged.")
    said = said[begun.start() :]
    video: tuple[str, str] | None = None
    audio: str | None = None
    for stream in _STREAM.finditer(said):
        if stream[1] == "Audio":
            audio = audio or stream[2]
        elif "(attached pic)" not in stream[3] and video is None:
            video = stream[2], stream[3]
    if video is None and audio is None:
        raise Unreadable("There is neither picture nor sound in the file.")
    width = height = orientation = None
    if video is not None:
        width, height, orientation = _sides(video[1], said)
    tags = _tags(said)
    place = _place(tags)
    return Facts(
        MediaKind.AUDIO if video is None else MediaKind.VIDEO, _format(begun[1], name), width, height, orientation,
        _seconds(said), _taken(tags), *place, video[0] if video is not None else audio,
    )  # fmt: skip


def _sides(line: str, said: str) -> tuple[int | None, int | None, int | None]:
    found = _SIDES.search(line)
    if found is None:
        return None, None, None
    width, height = int(found[1]), int(found[2])
    if found[3] and int(found[3]) and int(found[4]):
        width = max(1, width * int(found[3]) // int(found[4]))
    turned = _ROTATION.search(said)
    orientation = None if turned is None else _ORIENTATIONS.get(round(float(turned[1])) % 360)
    return (height, width, orientation) if orientation in (6, 8) else (width, height, orientation)


def _tags(said: str) -> dict[str, str]:
    """Tags of the file itself, which come before its duration."""
    head, _, _ = said.partition("\n  Duration:")
    return {found[1].lower(): found[2].strip() for found in _TAG.finditer(head)}


def _seconds(said: str) -> float | None:
    found = _DURATION.search(said)
    if found is None:
        return None
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])
    return seconds if math.isfinite(seconds) else None


def _taken(tags: dict[str, str]) -> int | None:
    for name in ("com.apple.quicktime.creationdate", "creation_time", "date"):
        text = tags.get(name, "")
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            continue
        if when.year <= 1904 or len(text) < 10:  # the zero of the format's clock
            continue
        plain = when.strftime("%Y:%m:%d %H:%M:%S")
        offset = when.strftime("%z")
        return moment(plain, f"{offset[:3]}:{offset[3:5]}" if offset else None, f"{when.microsecond:06}")
    return None


def _place(tags: dict[str, str]) -> tuple[float | None, float | None]:
    for name in ("com.apple.quicktime.location.iso6709", "location"):
        found = _PLACE.match(tags.get(name, ""))
        if found is not None:
            latitude, longitude = float(found[1]), float(found[2])
            if abs(latitude) <= 90 and abs(longitude) <= 180:
                return latitude, longitude
    return None, None


def _format(demuxer: str, name: str) -> str:
    known = kind_of(name) in (MediaKind.VIDEO, MediaKind.AUDIO)
    return extension_of(name).upper() if known else _NAMES.get(demuxer, demuxer.upper())

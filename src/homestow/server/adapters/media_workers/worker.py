"""The program of a worker: `python -m homestow.server.adapters.media_workers.worker pictures|films`, a socket as its stdin.

It gets rid of every right it can do without, says so, and then reads one file after the other until the socket ends.
"""

import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import Final

import msgspec

from homestow.server.adapters.media_workers import confine, films, pictures
from homestow.server.adapters.media_workers.messages import MAX_ASK, Ask, Hello, Told, receive, send

_SYSTEM: Final = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/dev/null")
"""What a program of the system reads to start."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ask).decode

_Read = Callable[[int, Ask], Told]


def main() -> None:
    """Serve until the socket ends."""
    want_films = sys.argv[1] == "films"
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    memory = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    channel = socket.socket(fileno=os.dup(0))
    os.dup2(nothing, 0)
    pictures.prepare()
    ffmpeg = films.find_ffmpeg() if want_films else None
    walls = confine.confine(want_films, [*_SYSTEM, *([ffmpeg] if ffmpeg else [])])
    read = _films(ffmpeg, nothing, walls) if want_films else _picture
    send(channel, _encode(Hello(walls=walls)))
    while True:
        asked = receive(channel, MAX_ASK)
        if asked is None:
            return
        body, descriptor = asked
        confine.begin_item()
        told = _read(read, body, descriptor)
        send(channel, _encode(msgspec.structs.replace(told, used_bytes=_resident(memory))))


def _resident(memory: int) -> int:
    """Bytes this process holds now. Not rusage's peak: that begins with what the process held that started this one."""
    return int(os.pread(memory, 128, 0).split()[1]) * resource.getpagesize()


def _read(read: _Read, body: bytes, descriptor: int) -> Told:
    try:
        return read(descriptor, _decode(body))
    except pictures.Unreadable as error:
        return Told(broken=str(error))
    except MemoryError:
        return Told(broken="Reading the file takes too much memory.")
    except Exception as error:  # noqa: BLE001 - the outer loop: a decoder fell over the file, which the server logs
        return Told(broken=f"The file is damaged ({type(error).__name__}).")
    finally:
        os.close(descriptor)


def _picture(descriptor: int, ask: Ask) -> Told:
    with os.fdopen(os.dup(descriptor), "rb", buffering=65536) as file:
        file.seek(0)
        if ask.sizes:
            return Told(pictures=pictures.thumbnails(file, ask.name, ask.sizes))
        return Told(facts=pictures.facts(file, ask.name))


def _films(ffmpeg: str | None, nothing: int, walls: list[str]) -> _Read:
    refusal = None
    if ffmpeg is None:
        refusal = "There is no ffmpeg to read films and sounds with."
    elif not {"namespace", "seccomp"} & set(walls):
        refusal = "Films and sounds are not read: this system has nothing that keeps ffmpeg from the network."
    reader = films.Films(ffmpeg or "", nothing)

    def read(descriptor: int, ask: Ask) -> Told:
        if refusal is not None:
            return Told(broken=refusal)
        if ask.sizes:
            return Told(pictures=reader.poster(descriptor, ask.duration_s, ask.sizes))
        return Told(facts=reader.facts(descriptor, ask.name))

    return read


if __name__ == "__main__":
    main()

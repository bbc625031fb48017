"""What one peer of the local HTTP API may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the server on loopback; any program of any user of the computer can reach it.

    Attributes:
        connections: at once, each with a thread; more are answered 503 and closed.
        streams: connections that follow the news.
        head_s, body_s, write_s: seconds for all of a request's head (and the rest before it), its body, and an answer.
        head_bytes, body_bytes: most bytes of either.
        picture_bytes: largest picture of a conflict that is shown.
        beat_s: a stream without news says that it lives so often.
        pause_s: news are gathered for so long before they are sent.
    """

    connections: int = 32
    streams: int = 12
    head_s: float = 15.0
    body_s: float = 20.0
    write_s: float = 20.0
    head_bytes: int = 32 * 1024
    body_bytes: int = 1024 * 1024
    picture_bytes: int = 64 * 1024 * 1024
    beat_s: float = 10.0
    pause_s: float = 0.1

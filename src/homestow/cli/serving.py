"""`homestow serve`: the server."""

import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from homestow.cli.asking import Command, data_option
from homestow.cli.troubles import TROUBLE, Trouble, one_line

log = logging.getLogger(__name__)

_M_ARENA_MAX = -8
_FILES = 65_536
"""Connections and contents that may be open at once, where the system lets us; many give 1024 to whoever does not ask."""


@click.command(
    cls=Command,
    example="homestow serve --data /srv/homestow\n"
    "homestow serve --data /srv/homestow --http 0.0.0.0:5000 --tls-cert cert.pem --tls-key key.pem",
)
@data_option
@click.option(
    "--http", metavar="H:P", help="Address of the HTTP front; :0 takes a free port.  [default: 127.0.0.1:5000]"
)
@click.option(
    "--netdrive", metavar="H:P", help="Address of the netdrive front, such as 127.0.0.1:4500.  [default: off]"
)
@click.option("--picloud", metavar="H:P", help="Address of the PiCloud front, such as 127.0.0.1:46000.  [default: off]")
@click.option("--grpc", metavar="H:P", help="Address of the Ditto gRPC front, such as 127.0.0.1:50051.  [default: off]")
@click.option("--public-url", metavar="URL", help="How the server is reached from outside, for links.")
@click.option("--tls-cert", metavar="FILE", help="Certificate, PEM.")
@click.option("--tls-key", metavar="FILE", help="Its key, PEM, for its owner's eyes only.")
@click.option("--allow-plain", is_flag=True, default=None, help="Serve beyond this machine without encryption too.")
@click.option("--announce", is_flag=True, default=None, help="Tell the local network that the server is there (mDNS).")
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
def serve(data: Path, until_stdin_closes: bool, **flags: str | bool | None) -> None:
    """Serve the data folder until SIGTERM or Ctrl-C.

    Prints one line of JSON on stdout when it answers; logs go to stderr. Settings come from DIR/homestow.toml, HOMESTOW_* and
    these flags.
    """
    from homestow.server.settings import DataFolder, load

    settings = load(DataFolder(data).make().path, os.environ, flags)
    log_to_stderr(settings.log_level)
    if settings.log_file is not None:
        log_to_file(Path(settings.log_file))
    if not settings.access_log:
        logging.getLogger("homestow.access").setLevel(logging.WARNING)
    if until_stdin_closes:
        _stop_with_parent()
    run(data, settings)


def run(data: Path, settings: object) -> None:
    """Open the data folder and serve it."""
    from homestow.server.bootstrap import Server, open_house, say_ready
    from homestow.server.fronts.tcp.listening import ListenFailed, TlsUnusable
    from homestow.server.settings import Settings

    assert isinstance(settings, Settings)
    _share_heaps()
    _open_more_files()
    try:
        with open_house(data, settings) as house:
            Server(house).run(say_ready)
    except (ListenFailed, TlsUnusable) as error:
        raise Trouble(one_line(str(error)), TROUBLE) from error
    except KeyboardInterrupt:
        log.info("stopped before it was ready")


def _share_heaps() -> None:
    """Let all threads share two heaps: glibc's sixteen on two cores each keep what some thread once needed (P11)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _open_more_files() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def log_to_stderr(level: str) -> None:
    """Lines on stderr, with the fields that a record bears beside its message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def log_to_file(path: Path) -> None:
    """The same lines in a file too, made when missing; it may be moved away at any time (as log rotation does).

    Raises:
        Trouble: it cannot be written.
    """
    from logging.handlers import WatchedFileHandler

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = WatchedFileHandler(path, encoding="utf-8", errors="backslashreplace")
        path.chmod(0o600)
    except OSError as error:
        raise Trouble(f"{path} (log_file) cannot be written: {error.strerror or error}.", TROUBLE) from error
    handler.setFormatter(Lines())
    logging.getLogger().addHandler(handler)


class Lines(logging.Formatter):
    """One record on one line: time, level, message, then its fields as name=value; tracebacks below it."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        """The line; names in it cannot begin another one."""
        fields = "".join(f" {name}={value!r}" for name, value in extras(record).items())
        return one_line(super().formatMessage(record) + fields)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base class's name
        """The traceback, each line marked: a name in it looks like no record and steers no terminal (S98)."""
        lines = super().formatException(ei).splitlines()
        return "\n".join("| " + "".join(one if one.isprintable() else " " for one in line) for line in lines)


_USUAL = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def extras(record: logging.LogRecord) -> Mapping[str, object]:
    """What was logged beside the message."""
    return {name: value for name, value in record.__dict__.items() if name not in _USUAL}


def _stop_with_parent() -> None:
    """End as by SIGTERM when our stdin closes: whoever started us is gone."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()

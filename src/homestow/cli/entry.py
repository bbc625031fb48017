"""Where every `homestow` command begins: pick the command, and turn whatever goes wrong into one line and an exit code."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from homestow.cli.signals import ended_by_sigterm
from homestow.cli.troubles import USAGE, Trouble, told

PROGRAM = "homestow"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (without the program's name; default: the process's own) and give its exit code.

    Nothing but the line on stderr is left of an error, unless HOMESTOW_DEBUG=1 asks for where it came from.
    """
    # The hot command is read without click, which alone would cost as much as the rest of a start.
    args = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        from homestow.cli.memory import begin_again, forget_how, gives_memory_back
        from homestow.cli.passwords import hide_password_argument

        if gives_memory_back(args, os.environ):
            begin_again()
        forget_how()
        hide_password_argument(sys.argv)
    if "HOMESTOW_FAULTS" in os.environ or "HOMESTOW_FAULTS_NOTE" in os.environ:
        return guarded(lambda: _with_faults(args))
    code = guarded(lambda: _chosen(args))
    if argv is None and args[:1] == ["sync"]:
        _leave(code)
    return code


def _leave(code: int) -> NoReturn:
    """End the process at once: all is closed, and taking a million small values apart would cost more than a pass."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            code = code or 1
    os._exit(code)


def _with_faults(args: list[str]) -> int:
    from homestow.cli.faults import arm_as_told

    arm_as_told(os.environ)
    return _chosen(args)


def _chosen(args: list[str]) -> int:
    return _light(args) if args[:1] == ["sync"] else _full(args)


def guarded(work: Callable[[], int]) -> int:
    """What `work` returns, or the exit code of what it raised, told in one line on stderr."""
    try:
        with ended_by_sigterm():
            return work()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to flush at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 - the outermost place: what arrives here is told, never shown as a traceback
        if os.environ.get("HOMESTOW_DEBUG") == "1":
            import traceback

            traceback.print_exception(error)
        line, code = told(error)
        sys.stdout.flush()
        print(f"{PROGRAM}: {line}", file=sys.stderr)
        return code


def _light(args: list[str]) -> int:
    from homestow.cli.sync import FLAGS, run
    from homestow.cli.syncflags import read

    given = read(args[1:], FLAGS)
    # What the light way cannot read (help, a mistake) click answers, from the same table of flags.
    return _full(args) if given is None else run(given)


def _full(args: list[str]) -> int:
    import click

    from homestow.cli.commands import homestow

    try:
        code = homestow.main(args, prog_name=PROGRAM, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.ctx.get_help())
        return USAGE if error.ctx.parent is not None else 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else PROGRAM
        raise Trouble(f"{_sentence(error.format_message())} Try: {where} --help", USAGE) from error
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except click.ClickException as error:
        raise Trouble(error.format_message(), error.exit_code) from error
    return code if isinstance(code, int) else 0


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "?", "!")) else text + "."

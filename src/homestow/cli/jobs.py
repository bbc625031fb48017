"""`homestow jobs`: which folders are kept in step with which roots."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, cast

import click
import msgspec

from homestow.cli.asking import Group
from homestow.cli.jobwords import name, sentence
from homestow.cli.passwords import ask_password, given_password
from homestow.cli.steering import Services, Steered, meant
from homestow.cli.sync import DEFAULT_SERVER, server_url
from homestow.cli.troubles import FINE, TROUBLE, USAGE, Trouble, one_line
from homestow.client.control.link import Link
from homestow.client.control.places import SERVICE
from homestow.values.errors import LoginFailed, LoginNeeded, PathTaken
from homestow.wire.control import (
    AddJob,
    ChangeJob,
    Enable,
    Filters,
    JobConfig,
    JobNow,
    LogIn,
    MakeFolder,
    ReloadFile,
    RemoveJob,
    StartTime,
)

_SLOW_S: Final = 120.0


@click.group(cls=Group, invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> int | None:
    """Folders of this computer and the roots that they are kept in step with: list, add, change, remove, enable, disable."""
    return _list(as_json=False) if context.invoked_subcommand is None else None


@jobs.command("list", example="homestow jobs list\nhomestow jobs list --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, as in a job file.")
def list_(as_json: bool) -> int:
    """List all jobs of this user's sync services."""
    return _list(as_json)


def _list(as_json: bool) -> int:
    with Services() as services:
        found = services.jobs()
        for each in found:
            print(msgspec.json.encode(each.job.config).decode() if as_json else _line(each))
        if not found and not as_json:
            print("no jobs yet. Add one: homestow jobs add -s SERVER -u USER -d FOLDER")
        return FINE


_WAYS: Final = {"bi": "both ways", "up": "the server follows", "down": "the folder follows"}


def _line(each: Steered) -> str:
    config = each.job.config
    root = "/".join(part for part in (config.workspace or "its own root", config.remote_folder) if part)
    facts = [f"{config.directory}", f"{root} of {config.user or 'the known account'} on {config.server}"]
    facts.append(_WAYS[config.direction])
    if config.frequency != "auto":
        facts.append("when told" if config.frequency == "manual" else f"daily at {_clock(config.start_time)}")
    if not config.active:
        facts.append("not active")
    return one_line(f"{each.number}  {config.id}  {name(each.job)}: {', '.join(facts)}")


def _clock(at: StartTime) -> str:
    return f"{at.h:02d}:{at.m:02d}"


# --- what a job shall be ----------------------------------------------------------------------------------------------


def _flags(command: Any) -> Any:
    """The flags of `add` and `change`; those that are not given stay None."""
    options = (
        click.option("-s", "--server", metavar="URL", help="The server; netdrive://host:4500 speaks that protocol."),
        click.option("-d", "--directory", metavar="DIR", help="The folder on this computer."),
        click.option("-w", "--root", metavar="ROOT", help="The root on the server, by name or number; your own."),
        click.option("-r", "--remote-folder", metavar="PATH", help="Only this folder of the root."),
        click.option("-u", "--user", metavar="USER", help="Your account's name."),
        click.option(
            "-dir", "--direction", type=click.Choice(["bi", "up", "down"]),
            help="bi: both ways; up: the server follows; down: the folder follows.",
        ),
        click.option("--label", metavar="TEXT", help="What you call it; the folder's name."),
        click.option("--when", metavar="auto|manual|HH:MM", help="At once, when told, or daily at this time."),
        click.option(
            "--solve", type=click.Choice(["manual", "remote", "local", "both"]),
            help="What becomes of two edits of one file: you choose, the server's or this computer's wins, both stay. Nothing is lost.",
        ),
        click.option("--exclude", metavar="PATTERN", multiple=True, help="Leave out what matches; may be given often."),
        click.option("--include", metavar="PATTERN", multiple=True, help="Leave out all that does not match."),
        click.option("--password-stdin", is_flag=True, help="Read the password from standard input."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@jobs.command(
    example="homestow jobs add -s https://home.example:5000 -u anna -d ~/Photos -w Photos --exclude '*.tmp'\n"
    "homestow jobs add -s https://home.example:5000 -u anna -d ~/Music -r Music --make"
)
@_flags
@click.option("--make", is_flag=True, help="Make the folder of -r on the server where it is missing.")
def add(password_stdin: bool, make: bool, **flags: Any) -> int:
    """Add a job to the sync service, which begins at once and remembers it.

    The password is needed once for each server and account; a token of this computer is kept instead. It is read from
    HOMESTOW_PASSWORD, standard input or the terminal.
    """
    if not flags["directory"]:
        raise Trouble("which folder? Name it with -d DIR.", USAGE)
    config = _changed(JobConfig(server=DEFAULT_SERVER, directory=""), flags)
    password = given_password(stdin=password_stdin)
    with Services() as services:
        link = next((link for link in services.links if link.place.name == SERVICE), None)
        link = link or next((link for link in services.links if link.place.jobs_file), None)
        if link is None:
            raise Trouble(
                "the service of stored jobs does not run, only one for a single folder (`homestow sync -d`). Start it with "
                "`homestow sync`.",
                TROUBLE,
            )
        _tell(_with_password(link, config, password, new=True, make=make))
        return FINE


@jobs.command(example="homestow jobs change Photos -dir down\nhomestow jobs change 1 --when 02:30")
@_flags
@click.argument("job", metavar="JOB")
def change(job: str, password_stdin: bool, **flags: Any) -> int:
    """Change a job: what is not named stays. It begins anew with its new settings.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    password = given_password(stdin=password_stdin)
    with Services() as services:
        each = meant(services.jobs(), job)
        config = _changed(each.job.config, flags)
        if config == each.job.config and password is None:
            raise Trouble("nothing to change: name what shall be otherwise, as in --when 02:30.", USAGE)
        _tell(_with_password(each.link, config, password, new=False))
        return FINE


def _with_password(link: Link, config: JobConfig, password: str | None, *, new: bool, make: bool = False) -> JobNow:
    """Give the order; when the server wants a password and somebody can be asked, once more with it."""

    def order(word: str | None) -> JobNow:
        if make and config.remote_folder:
            if word is not None:
                link.ask(LogIn(url=config.server, user=config.user, password=word), timeout_s=_SLOW_S)
            _make(link, config)
        asked = AddJob(config=config, password=word) if new else ChangeJob(config=config, password=word)
        return cast(JobNow, link.ask(asked, timeout_s=_SLOW_S))

    try:
        return order(password)
    except (LoginNeeded, LoginFailed) as error:
        if password is not None:
            raise
        typed = ask_password(f"Password of {config.user or 'your account'} on {config.server}")
        if not typed:
            raise Trouble(
                f"{error.message} Set HOMESTOW_PASSWORD, use --password-stdin, or run it in a terminal to be asked.",
                TROUBLE,
            ) from error
        return order(typed)


def _make(link: Link, config: JobConfig) -> None:
    """Make the job's folder on the server, and those above it."""
    names = config.remote_folder.split("/")
    for count in range(1, len(names) + 1):
        path = "/".join(names[:count])
        with suppress(PathTaken):
            link.ask(
                MakeFolder(url=config.server, user=config.user, workspace=config.workspace, path=path),
                timeout_s=_SLOW_S,
            )


def _changed(config: JobConfig, flags: dict[str, Any]) -> JobConfig:
    """The configuration with what was given on the command line."""
    facts: dict[str, Any] = {}
    if flags["server"]:
        facts["server"] = server_url(flags["server"])
    if flags["directory"]:
        facts["directory"] = str(Path(flags["directory"]).expanduser().absolute())
    for flag, fact in (("root", "workspace"), ("remote_folder", "remote_folder"), ("user", "user"), ("label", "label")):
        if flags[flag] is not None:
            facts[fact] = flags[flag].strip("/") if fact == "remote_folder" else flags[flag]
    for flag in ("direction", "solve"):
        if flags[flag]:
            facts[flag] = flags[flag]
    if flags["when"]:
        facts["frequency"], facts["start_time"] = _when(flags["when"], config.start_time)
    if flags["include"] or flags["exclude"]:
        facts["filters"] = Filters(
            includes=flags["include"] or config.filters.includes, excludes=flags["exclude"] or config.filters.excludes
        )
    try:
        # Through the message's own rules, so that a mistake is told before the service sees it.
        changed = msgspec.structs.replace(config, **facts)
        return msgspec.convert(msgspec.to_builtins(changed), JobConfig)
    except msgspec.ValidationError as error:
        raise Trouble(f"this job cannot be: {one_line(str(error))}.", USAGE) from error


def _when(text: str, before: StartTime) -> tuple[Literal["auto", "manual", "time"], StartTime]:
    if text == "auto" or text == "manual":
        return ("auto" if text == "auto" else "manual"), before
    hour, colon, minute = text.partition(":")
    plain = (
        text.replace(":", "").isascii() and hour.isdigit() and minute.isdigit() and len(hour) < 3 and len(minute) == 2
    )
    if not (colon and plain and int(hour) < 24 and int(minute) < 60):
        raise Trouble(f"--when {text!r} is neither auto nor manual nor a time of day such as 02:30.", USAGE)
    return "time", StartTime(h=int(hour), m=int(minute))


# --- and the rest -----------------------------------------------------------------------------------------------------


@jobs.command(example="homestow jobs remove Photos")
@click.argument("job", metavar="JOB")
def remove(job: str) -> int:
    """Forget a job and what this computer remembers of it. Files stay where they are, on both sides.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    with Services() as services:
        each = meant(services.jobs(), job)
        each.link.ask(RemoveJob(job=each.job.id), timeout_s=_SLOW_S)
        print(f"{name(each.job)} is no job any more; the files of both sides stay where they are.")
        return FINE


@jobs.command(example="homestow jobs enable Photos")
@click.argument("job", metavar="JOB")
def enable(job: str) -> int:
    """Make a job active, now and after the next start.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    return _enable(job, active=True)


@jobs.command(example="homestow jobs disable Photos")
@click.argument("job", metavar="JOB")
def disable(job: str) -> int:
    """Let a job rest until it is enabled, also after the next start; it is not forgotten.

    JOB is a job's id, its number in `homestow status`, its label, or its folder.
    """
    return _enable(job, active=False)


@jobs.command(example="homestow jobs reload")
def reload() -> int:
    """Read the job file again after you changed it: new jobs begin, missing ones end, changed ones begin anew."""
    with Services() as services:
        links = [link for link in services.links if link.place.jobs_file]
        if not links:
            raise Trouble("no sync service of a job file runs. Start it with `homestow sync`.", TROUBLE)
        for link in links:
            for job in link.ask(ReloadFile(), timeout_s=_SLOW_S):
                _tell(job)
        return FINE


def _enable(word: str, *, active: bool) -> int:
    with Services() as services:
        each = meant(services.jobs(), word)
        _tell(each.link.ask(Enable(job=each.job.id, active=active), timeout_s=_SLOW_S))
        return FINE


def _tell(job: JobNow) -> None:
    print(f"{one_line(job.id)}  {sentence(job, time.time_ns())}")

"""The routes of the shipped service's HTTP API, over the orders of ours.

They are for windows and scripts made for that service. Its calls that change something by GET are `LEGACY_ORDERS`: they want name and
password with each request, which no other page can have a browser send (S86).
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import Any, Final

import msgspec

from homestow.client.control.service import SyncService
from homestow.client.control.web import era, overlay
from homestow.client.control.web.asking import Asking, Reply, as_json, trouble
from homestow.client.control.web.limits import Limits
from homestow.values.errors import BadRequest, CloudError, NotFound
from homestow.wire.control import (
    AddJob,
    AnyNews,
    ChangeJob,
    ChangeSettings,
    CheckFolder,
    Conflict,
    Enable,
    Event,
    EventNews,
    FolderSeen,
    GetSettings,
    Hello,
    JobConfig,
    JobNow,
    Link,
    ListConflicts,
    ListFolders,
    ListLog,
    ListWorkspaces,
    LogIn,
    Pause,
    Quit,
    Reload,
    ReloadFile,
    RemoveJob,
    Settings,
    Settle,
    Share,
    Start,
    Unshare,
    Workspace,
)

LEGACY_ORDERS: Final = frozenset({"cmd", "ws", "folders", "share"})
"""First names of the paths whose GET changes something or takes a password."""
SUCCESS: Final = b'"success"'
"""Just these 9 bytes: the old window reads any other answer as a list of jobs."""
STATUS: Final = {
    "bad-request": HTTPStatus.BAD_REQUEST,
    "not-found": HTTPStatus.NOT_FOUND,
    "login-needed": HTTPStatus.UNAUTHORIZED,
    "login-failed": HTTPStatus.UNAUTHORIZED,
    "unreachable": HTTPStatus.BAD_GATEWAY,
    "not-homestow": HTTPStatus.BAD_GATEWAY,
    "internal": HTTPStatus.BAD_GATEWAY,
    "busy": HTTPStatus.SERVICE_UNAVAILABLE,
    "too-many-tries": HTTPStatus.SERVICE_UNAVAILABLE,
}
"""Of an error's code; of any other: 409, it was refused as things are."""
KEEPS: Final = {"SOLVED:KEEPREMOTE", "SOLVED:KEEPLOCAL", "SOLVED:KEEPBOTH"}
MOST_LINKS: Final = 1000
LIFE_BEATS_S: Final = 1.0


class ShippedRoutes:
    """Answers what the shipped service answered."""

    def __init__(self, service: SyncService, limits: Limits) -> None:
        self._service = service
        self._limits = limits
        self._lock = threading.Lock()
        self._balloons: dict[str, Event] = {}
        self._links: OrderedDict[tuple[str, str], Link] = OrderedDict()
        self._hush: Callable[[], None] | None = None
        self._ended = threading.Event()
        self._lives = 0

    def start(self) -> None:
        """Hear what is worth a balloon."""
        self._ended.clear()
        self._hush = self._service.listen(self._hear)

    def stop(self) -> None:
        """Hear nothing more, end streams."""
        self._ended.set()
        if self._hush is not None:
            self._hush()

    def feedback(self) -> Reply:
        """`/feedbackinfo`: the version, which anybody may know."""
        return as_json({"version": self._service.do(Hello()).version})

    def answer(self, asking: Asking) -> Reply:
        """The answer to a request of somebody who may ask."""
        method = "GET" if asking.method == "HEAD" else asking.method
        first, *rest = asking.path.strip("/").split("/")
        try:
            match method, first, rest:
                case (
                    "GET",
                    "jobs"
                    | "jobs-status"
                    | "conflicts"
                    | "stat"
                    | "ws"
                    | "folders"
                    | "share"
                    | "general_configs"
                    | "url",
                    _,
                ):
                    return self._read(asking, first, rest)
                case "GET", "checksync" | "streamlifesign", _:
                    return self._look(first, rest)
                case "GET", "cmd", [command, *jobs] if len(jobs) < 2:
                    return self._command(command, *jobs)
                case "POST", "jobs", []:
                    return self._put_job(asking.object())
                case "POST", "jobs", ["conflicts"] | [_, "conflicts"]:
                    return self._settle(asking.object())
                case "POST", "general_configs", []:
                    return self._change_settings(asking.object())
                case "DELETE", "jobs", [job]:
                    self._service.do(RemoveJob(job=job))
                    return Reply(HTTPStatus.NO_CONTENT)
                case _:
                    return trouble(HTTPStatus.NOT_FOUND, "There is no such call.")
        except CloudError as error:
            return trouble(STATUS.get(error.code, HTTPStatus.CONFLICT), error.message, error.code)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _read(self, asking: Asking, first: str, rest: list[str]) -> Reply:
        match first, rest:
            case "jobs", []:
                return as_json([era.job_of(job) for job in self._service.jobs()])
            case "jobs-status", []:
                return self._status()
            case "jobs", [job]:
                return as_json(era.job_of(self._job(job)))
            case "jobs", [job, "logs"]:
                return self._logs(self._job(job), asking)
            case "jobs", [job, "conflicts"]:
                return as_json([era.conflict_of(each) for each in self._conflicts(self._job(job).id)])
            case "stat", []:
                return as_json({job.id: _described(job.config) for job in self._service.jobs() if job.config.active})
            case "stat", [job, *names]:
                return as_json({"node_status": overlay.status(self._service, self._job(job), "/".join(names))})
            case "ws", [which]:
                return self._workspaces(which, asking)
            case "folders", [which]:
                return self._folders(which, asking)
            case "share", [job]:
                return self._share(self._job(job), asking)
            case "general_configs", []:
                return as_json(_general(self._service.do(GetSettings())))
            case "url", [_, *_]:
                # Nothing is fetched: an address given to a local port is asked for by nobody here (S88).
                return as_json({"noupdate": "Homestow is updated by the system it was installed with."})
            case _:
                return trouble(HTTPStatus.NOT_FOUND, "There is no such call.")

    def _job(self, ident: str) -> JobNow:
        for job in self._service.jobs():
            if job.id == ident:
                return job
        raise NotFound("There is no such job.")

    def _status(self) -> Reply:
        with self._lock:
            balloons, self._balloons = self._balloons, {}
        jobs = self._service.jobs()
        shown = [era.job_of(job) for job in jobs]
        for job in shown:
            if job["id"] in balloons:
                job["notification"] = era.event_of(balloons[job["id"]])
        going = [job for job in jobs if job.state not in era.NOT_GOING]
        away = bool(going) and all(job.state == "waiting" and job.code == "unreachable" for job in going)
        return as_json({"is_connected_to_internet": not away, "jobs": shown})

    def _logs(self, job: JobNow, asking: Asking) -> Reply:
        wanted = {name: value for name, value in asking.query.items() if name in ("type", "action", "status")}
        listed = [era.event_of(event) for event in self._service.do(ListLog(job=job.id, limit=200 if wanted else 20))]
        logs = [event for event in listed if all(event[name] == value for name, value in wanted.items())]
        return as_json({"logs": logs[:20], "running": era.state_of(job) if job.state not in era.NOT_GOING else False})

    def _conflicts(self, job: str) -> tuple[Conflict, ...]:
        listed: tuple[Conflict, ...] = self._service.do(ListConflicts(job=job))
        return listed

    def _look(self, first: str, rest: list[str]) -> Reply:
        if first == "checksync":
            jobs = [self._job(rest[0])] if rest else self._service.jobs()
            return as_json(
                {job.id: {"state": job.state, "problems": job.problems, "conflicts": job.conflicts} for job in jobs}
            )
        with self._lock:
            if self._lives >= self._limits.streams:
                return trouble(HTTPStatus.SERVICE_UNAVAILABLE, "Too many watch this; close one.", "busy")
            self._lives += 1
        return Reply(kind="text/event-stream", stream=_Life(self))

    # --- servers ------------------------------------------------------------------------------------------------------

    def _account(self, which: str, asking: Asking) -> tuple[str, str, tuple[Workspace, ...]]:
        """Server, user and what it sees: of a job, or of `request` with address, name and password in the query."""
        if which != "request":
            config = self._job(which).config
            return config.server, config.user, self._service.do(ListWorkspaces(url=config.server, user=config.user))
        url, user, password = (asking.query.get(name, "") for name in ("url", "user", "password"))
        if not url:
            raise BadRequest("An address (`url`) is missing.")
        if password:
            return url, user, self._service.do(LogIn(url=url, user=user, password=password))
        return url, user, self._service.do(ListWorkspaces(url=url, user=user))

    def _workspaces(self, which: str, asking: Asking) -> Reply:
        _, user, spaces = self._account(which, asking)
        repositories = [
            {
                "@id": space.name,
                "@repositorySlug": space.name,
                "@access_type": "fs",
                "@acl": "r" if space.rights == "read" else "rw",
                "label": space.name,
                "description": "",
            }
            for space in spaces
        ]
        answer = {"repositories": {"repo": repositories}, "application_title": "Homestow", "user_display_name": user}
        return as_json(answer)

    def _folders(self, which: str, asking: Asking) -> Reply:
        try:
            url, user, _ = self._account(which, asking)
            workspace = asking.query.get("ws", "") if which == "request" else self._job(which).config.workspace
            path = asking.query.get("subdir", "").strip("/")
            names = self._service.do(ListFolders(url=url, user=user, workspace=workspace, path=path))
        except CloudError as error:
            return as_json([{"error": "Cannot load workspace", "detail": error.message, "code": error.code}])
        return as_json(
            [{"@filename": "/" + "/".join(filter(None, (path, name))), "@text": name, "tree": []} for name in names]
        )

    def _share(self, job: JobNow, asking: Asking) -> Reply:
        query = asking.query
        path = query.get("relative_path", query.get("path", "")).strip("/")
        if not path:
            raise BadRequest("The path of what to share is missing.")
        known = self._links.get((job.id, path))
        if query.get("action", "share") == "unshare":
            if known is None:
                return as_json(
                    {
                        "response": "This computer made no link to it since the service began.",
                        "existingLinkFlag": "false",
                    }
                )
            self._service.do(Unshare(job=job.id, link=known.id))
            self._links.pop((job.id, path), None)
            return as_json({"response": "The link is no more.", "existingLinkFlag": "false"})
        if query.get("checkExistingLinkFlag"):
            return as_json({"link": known.url if known else "", "existingLinkFlag": "true" if known else "false"})
        days = query.get("expiration", "")
        link = self._service.do(Share(job=job.id, path=path, days=_days(days), password=query.get("password") or None))
        self._links[job.id, path] = link
        while len(self._links) > MOST_LINKS:
            self._links.popitem(last=False)
        return as_json({"link": link.url})

    # --- changing -----------------------------------------------------------------------------------------------------

    def _command(self, command: str, job: str | None = None) -> Reply:
        do = self._service.do
        if job is None:
            match command:
                case "start-all":
                    do(Start())
                case "pause-all":
                    do(Pause())
                case "reload-configs":
                    do(ReloadFile())
                case "exit":
                    do(Quit())
                case _:
                    return trouble(HTTPStatus.NOT_FOUND, "There is no such command.")
            return Reply(body=SUCCESS)
        match command:
            case "start" | "resume":
                do(Start(job=job))
            case "pause":
                do(Pause(job=job))
            case "enable" | "disable":
                do(Enable(job=job, active=command == "enable"))
            case "resync":
                do(Reload(job=job))
            case _:
                # The shipped service said so to any word.
                pass
        return Reply(body=b'["success"]')

    def _put_job(self, body: dict[str, Any]) -> Reply:
        if "test_path" in body:
            return as_json({**body, "directory": body.get("directory") or overlay.proposed(body)})
        if "compute_sizes" in body:
            seen: FolderSeen = self._service.do(CheckFolder(directory=era.config_of(body).directory))
            return as_json({**body, "byte_size": seen.size_bytes, "eta": -1})
        before = next((job.config for job in self._service.jobs() if job.id == body.get("id")), None)
        config, password = era.config_of(body, before), body.get("password")
        if password is not None and not isinstance(password, str):
            raise BadRequest("The password is no text.")
        if before is not None:
            job: JobNow = self._service.do(ChangeJob(config=config, password=password or None))
            if "toggle_status" not in body:
                self._service.do(Reload(job=job.id))
        else:
            job = self._service.do(AddJob(config=config, password=password or None))
        return as_json(era.job_of(job))

    def _settle(self, body: dict[str, Any]) -> Reply:
        job, path, status = (body.get(name) for name in ("job_id", "node_path", "status"))
        if not isinstance(job, str) or not isinstance(path, str) or status not in KEEPS:
            raise BadRequest(
                "`job_id`, `node_path` and `status` (SOLVED:KEEPLOCAL, SOLVED:KEEPREMOTE or SOLVED:KEEPBOTH) are needed."
            )
        device = self._service.do(Hello()).device
        chosen = [each for each in self._conflicts(job) if each.original.path == path.lstrip("/")]
        numbered = [each for each in chosen if era.node_id(each) == body.get("node_id")]
        if not chosen:
            raise NotFound("There is no such conflict.")
        for conflict in numbered or chosen:
            ours_is_copy = conflict.device == device
            if status == "SOLVED:KEEPBOTH":
                self._service.do(Settle(job=job, keep="both", conflict=conflict.id))
            elif (status == "SOLVED:KEEPLOCAL") == ours_is_copy:
                self._service.do(Settle(job=job, keep="copy", conflict=conflict.id))
            else:
                self._service.do(Settle(job=job, keep="original", conflict=conflict.id))
        if not self._conflicts(job):
            self._service.do(Start(job=job))
        return as_json(body)

    def _change_settings(self, body: dict[str, Any]) -> Reply:
        settings: Settings = self._service.do(GetSettings())
        if body.get("language") in ("", "en", "zh"):
            settings = self._service.do(
                ChangeSettings(settings=msgspec.structs.replace(settings, language=body["language"]))
            )
        return as_json(_general(settings))

    # --- news ---------------------------------------------------------------------------------------------------------

    def _hear(self, news: AnyNews) -> None:
        if isinstance(news, EventNews):
            with self._lock:
                for event in news.events:
                    if event.kind in ("conflict", "problem"):
                        self._balloons[event.job] = event

    def lives(self) -> Generator[bytes, None, None]:
        """A line each second."""
        while not self._ended.wait(LIFE_BEATS_S):
            yield b"data: alive\n\n"

    def left(self) -> None:
        """One less watches."""
        with self._lock:
            self._lives -= 1


class _Life:
    """Signs of life for one who watches."""

    def __init__(self, routes: ShippedRoutes) -> None:
        self._routes, self._pieces, self._open = routes, routes.lives(), True

    def __iter__(self) -> Generator[bytes, None, None]:
        return self._pieces

    def close(self) -> None:
        """No more; may be called twice."""
        self._pieces.close()
        if self._open:
            self._open = False
            self._routes.left()


def _described(config: JobConfig) -> list[str]:
    return [config.directory, config.server, era.label_of(config), config.workspace]


def _general(settings: Settings) -> dict[str, Any]:
    return {
        "log_configuration": {"log_level": "INFO"},
        "update_info": {"enable_update_check": "false", "update_check_frequency_days": 0, "last_update_date": 0},
        "max_wait_time_for_local_db_access": 30,
        "language": settings.language,
    }


def _days(text: str) -> int | None:
    """Days of life of a link; "" and 0 are for ever."""
    if text in ("", "0"):
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) <= 36_500):
        raise BadRequest("The life of a link is a number of days.")
    return int(text)

"""The sync service: orders, the job file behind them, what is published, and what is refused."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.sync_service_world import SERVER, World, eventually, outcome, state

from homestow.client.ports.jobfile import Note
from homestow.client.running.outcome import Ending
from homestow.client.running.service import Service
from homestow.values.errors import (
    BadRequest,
    CloudError,
    LoginFailed,
    LoginNeeded,
    NotFound,
    StorageFailed,
    Unreachable,
)
from homestow.wire import control, job_file
from homestow.wire.control import JobConfig


def job(**more: Any) -> dict[str, Any]:
    return {
        "__type__": "JobConfig", "server": SERVER, "directory": "/docs", "workspace": "anna", "user": "anna", **more,
    }  # fmt: skip


def config(directory: str, **more: Any) -> JobConfig:
    return JobConfig(**{"server": SERVER, "directory": directory, "workspace": "anna", "user": "anna", **more})


@pytest.fixture
def world() -> World:
    return World(json.dumps({"docs": job(), "photos": job(directory="/photos")}).encode())


@pytest.fixture
def service(world: World) -> Iterator[Service]:
    service = world.service()
    yield service
    service.close()


def written(world: World) -> dict[str, JobConfig]:
    """The jobs of the file."""
    assert world.book is not None
    return {each.config.id: each.config for each in world.book.read()}


def heard(world: World, kind: type[Any]) -> list[Any]:
    return [news for news in list(world.heard) if isinstance(news, kind)]


def test_who_answers(service: Service) -> None:
    """Version, process, job file, and the word for all."""
    about = service.do(control.Hello())

    assert (about.version, about.pid, about.jobs_file, about.device) == ("1", 5, "memory", "laptop")
    assert about.general in ("starting", "syncing")


def test_jobs_have_numbers_and_are_steered_one_by_one_or_all(world: World, service: Service) -> None:
    """An id that nobody has is refused, and nothing is done."""
    assert [(each.id, each.number) for each in service.do(control.ListJobs())] == [("docs", 0), ("photos", 1)]

    assert [each.id for each in service.do(control.Pause(job="photos"))] == ["photos"]
    assert [each.paused for each in service.jobs()] == [False, True]
    assert [each.paused for each in service.do(control.Pause())] == [True, True]
    eventually(lambda: service.general() == "paused", "all to pause")
    for order in (control.Pause(job="0"), control.Settle(job="x", keep="both"), control.ListLog(job="x")):
        with pytest.raises(NotFound):
            service.do(order)


def test_a_job_is_added_to_the_file_and_begins(world: World, service: Service) -> None:
    """It gets an id, its number is the last, and whoever listens hears of it."""
    added = service.do(control.AddJob(config=config("/music/", label="Music")))

    assert (added.id, added.number, added.config.directory) == ("home-anna", 2, "/music")
    assert written(world)["home-anna"] == added.config
    world.running("home-anna").passes.put(outcome())
    eventually(lambda: state(service, "home-anna").state == "synced", "the new job")
    eventually(lambda: any(news.job.id == "home-anna" for news in heard(world, control.JobNews)), "the news")


@pytest.mark.parametrize(
    "wished,error",
    [
        (config("/docs"), BadRequest),
        (config("/docs/inner"), BadRequest),
        (config("/"), BadRequest),
        (config("/link"), BadRequest),
        (config("relative"), BadRequest),
        (config("/x", server="file:///etc"), BadRequest),
        (config("/x", id="docs"), BadRequest),
        (config("/x", remote_folder="../other"), BadRequest),
        (config("/x", user="nobody"), LoginNeeded),
    ],
)
def test_jobs_that_cannot_be_are_refused(
    world: World, service: Service, wished: JobConfig, error: type[CloudError]
) -> None:
    """The folder of another job, by any name of it, a folder in it or around it, another scheme, somebody without a login."""
    before = written(world)
    with pytest.raises(error) as raised:
        service.do(control.AddJob(config=wished))

    assert raised.value.message
    assert written(world) == before
    assert len(service.jobs()) == 2


def test_a_password_is_proved_before_there_is_a_job(world: World, service: Service) -> None:
    """A wrong one makes none; the right one stands in no file."""
    world.cloud.users["ben"] = "pass word"
    with pytest.raises(LoginFailed):
        service.do(control.AddJob(config=config("/ben", user="ben"), password="wrong"))
    assert len(service.jobs()) == 2

    service.do(control.AddJob(config=config("/ben", user="ben"), password="pass word"))
    assert world.book is not None
    assert len(service.jobs()) == 3
    assert b"pass word" not in world.book._file.content()


def test_a_job_is_changed_in_its_place(world: World, service: Service) -> None:
    """What ran ends, and it begins anew as it is now; another folder forgets what was known of the old one."""
    first = world.running("docs")
    changed = service.do(control.ChangeJob(config=config("/docs", id="docs", label="Mine", direction="up")))

    assert (changed.number, changed.config.label) == (0, "Mine")
    assert first.closed.is_set()
    world.running("docs")
    assert (written(world)["docs"].direction, world.forgotten) == ("up", [])

    service.do(control.ChangeJob(config=config("/elsewhere", id="docs")))
    assert world.forgotten == ["docs"]
    with pytest.raises(NotFound):
        service.do(control.ChangeJob(config=config("/new", id="nobody")))


@pytest.mark.parametrize("change", [{"remote_folder": "Photos"}, {"workspace": "Photos"}])
def test_a_job_with_another_place_on_the_server_forgets_the_first(
    world: World, service: Service, change: dict[str, str]
) -> None:
    """R4: else, when it comes back to that, what was deleted here meanwhile would be deleted there; a pause stays."""
    world.running("docs")
    service.do(control.Pause(job="docs"))
    world.notes.write("/docs", world.notes.read("/docs")._replace(state=("job-1.sqlite",), ran_ns=5))
    job = service.do(control.ChangeJob(config=config("/docs", id="docs", **change)))
    assert (job.paused, world.forgotten) == (True, ["docs"])
    assert world.notes.read("/docs") == Note(paused=True, ran_ns=5)
    service.do(control.ChangeJob(config=config("/docs", id="docs", label="Mine", direction="up", **change)))
    assert world.forgotten == ["docs"]


def test_a_job_is_removed_and_forgotten(world: World, service: Service) -> None:
    """First from the file; the others move up; its log goes, and whoever listens hears that it is gone."""
    running = world.running("docs")
    running.passes.put(outcome())
    eventually(lambda: world.history.entries("docs", None, 1), "an entry")

    (left,) = service.do(control.RemoveJob(job="docs"))

    assert (left.id, left.number) == ("photos", 0)
    assert running.closed.is_set()
    assert world.forgotten == ["docs"]
    assert list(written(world)) == ["photos"]
    assert heard(world, control.JobGone) == [control.JobGone(job="docs")]
    service.publisher.flush()
    assert not world.history.entries("docs", None, 1)


def test_the_file_is_read_again(world: World, service: Service) -> None:
    """New jobs begin, missing ones end, changed ones begin anew, the others go on untouched."""
    kept = world.running("photos")
    assert world.book is not None
    world.book.drop("docs")
    world.book.put(config("/new", id="new"))

    assert [each.id for each in service.do(control.ReloadFile())] == ["photos", "new"]
    world.running("new")
    assert not kept.closed.is_set()

    world.book.put(config("/photos", id="photos", label="Pictures"))
    service.do(control.ReloadFile())
    assert kept.closed.is_set()
    assert [each.config.label for each in service.jobs()] == ["Pictures", ""]


def test_of_two_jobs_with_one_folder_the_second_cannot_run() -> None:
    """The first goes on; the fault names both, and goes when the file is put right."""
    world = World(json.dumps([job(id="a"), job(id="b", directory="/docs/inner"), job(id="c", active=False)]).encode())
    service = world.service()
    try:
        assert [each.state for each in service.jobs()][1:] == ["failed", "off"]
        assert "'a'" in state(service, "b").why
        assert service.general() == "failed"
        with pytest.raises(BadRequest):
            service.do(control.Enable(job="c", active=True))
        service.do(control.RemoveJob(job="a"))
        world.running("b")
    finally:
        service.close()


def test_a_password_in_the_file_is_used_once_and_taken_out() -> None:
    """The job waits for its login; a wrong one goes too, and the job says so."""
    world = World(
        json.dumps(
            [job(id="a", user="ben", password="right"), job(id="b", directory="/b", user="eve", password="wrong")]
        ).encode()
    )
    world.cloud.users |= {"ben": "right", "eve": "other"}
    assert world.book is not None
    service = world.service()
    try:
        world.running("a").passes.put(outcome())
        eventually(lambda: b"password" not in world.book._file.content(), "the file without passwords")  # type: ignore[union-attr]
        assert world.accounts.token(SERVER, "ben")
        with pytest.raises(LoginNeeded):
            world.accounts.token(SERVER, "eve")
    finally:
        service.close()


def test_one_login_is_tried_however_often_the_file_is_read() -> None:
    """More would look like an attack; it goes by what the file says then, and ends with the job."""
    world = World(json.dumps([job(id="a", user="ben", password="wrong")]).encode())
    world.cloud.users["ben"] = "right"
    tried: list[str] = []
    away = True

    def log_in(url: str, user: str, password: str) -> None:
        tried.append(password)
        if away:
            raise Unreachable("Away.")

    world.accounts.log_in = log_in  # type: ignore[method-assign]

    def trying() -> int:
        return sum(thread.name == "login a" for thread in threading.enumerate())

    service = world.service()
    try:
        eventually(lambda: tried == ["wrong"], "the first try")
        for _ in range(5):
            service.do(control.ReloadFile())
        assert trying() == 1
        assert world.book is not None
        world.book._file = job_file.read(json.dumps([job(id="a", user="ben", password="right")]).encode())
        service.do(control.ReloadFile())
        eventually(lambda: tried[-1] == "right", "the password that was put right")
        service.do(control.RemoveJob(job="a"))
        eventually(lambda: trying() == 0, "the end of the tries")
    finally:
        away = False
        service.close()


def test_a_password_waits_in_the_file_for_a_server_that_is_away() -> None:
    """Nothing is lost by it: the job waits, and the password is used when the server answers."""
    world = World(json.dumps([job(id="a", user="ben", password="right")]).encode())
    world.cloud.users["ben"] = "right"
    world.cloud.away = True
    assert world.book is not None
    service = world.service()
    try:
        eventually(lambda: state(service, "a").state == "waiting", "it to wait")
        assert world.book.read()[0].password == "right"
        world.cloud.away = False
        world.running("a")
        assert world.book.read()[0].password is None
    finally:
        service.close()


def test_a_service_of_the_command_line_keeps_its_jobs() -> None:
    """Orders that would change them are refused with what to do instead; the others are obeyed."""
    world = World(None)
    service = world.service()
    try:
        for order in (
            control.AddJob(config=config("/new")),
            control.RemoveJob(job="docs"),
            control.ReloadFile(),
            control.Enable(job="docs", active=False),
        ):
            with pytest.raises(BadRequest, match="without -d"):
                service.do(order)
        assert service.general() == "none"
        assert service.do(control.Hello()).jobs_file == ""
    finally:
        service.close()


def test_settings_hold_when_they_are_true(world: World, service: Service) -> None:
    """Those that cannot be are refused and not kept; the others are kept, and told."""
    wished = control.Settings(up_kbytes=100, language="zh")
    assert service.do(control.ChangeSettings(settings=wished)) == wished
    assert service.do(control.GetSettings()) == wished
    assert world.settings.load() == wished
    assert heard(world, control.SettingsNews)[-1].settings == wished

    with pytest.raises(CloudError):
        service.do(control.ChangeSettings(settings=control.Settings(zmq_port=1)))
    assert service.do(control.GetSettings()) == wished

    def full(settings: control.Settings) -> None:
        raise StorageFailed("The disk is full.")

    world.settings.save = full  # type: ignore[method-assign]
    with pytest.raises(StorageFailed):
        service.do(control.ChangeSettings(settings=control.Settings(up_kbytes=5)))
    assert service.do(control.GetSettings()) == world.applied[-1] == wished

    world.autostart = True
    assert service.do(control.GetSettings()).autostart


def test_events_are_kept_told_and_listed(world: World, service: Service) -> None:
    """Newest first, by job and kind, in pieces."""
    service.do(control.Pause())
    service.do(control.Start())
    eventually(lambda: len(world.history.entries(None, None, 10, ("pause", "resume"))) == 4, "the entries")

    newest = service.do(control.ListLog(job="docs", kinds=("pause", "resume")))
    assert [event.kind for event in newest] == ["resume", "pause"]
    (older,) = service.do(control.ListLog(job="docs", kinds=("pause", "resume"), before=newest[0].id))
    assert older == newest[1]
    told = [event.kind for news in heard(world, control.EventNews) for event in news.events]
    assert told.count("pause") == 2
    assert state(service, "docs").last is not None


def test_a_new_subscriber_hears_how_everything_is(service: Service) -> None:
    """The word for all, each job, the settings."""
    general, docs, photos, settings = service.current()

    assert isinstance(general, control.GeneralNews)
    assert isinstance(docs, control.JobNews)
    assert isinstance(photos, control.JobNews)
    assert isinstance(settings, control.SettingsNews)


def test_progress_is_told_while_something_moves_and_not_otherwise(world: World, service: Service) -> None:
    """At most four times a second, however much moves; nothing is told while nothing happens."""
    twin = world.running("docs")
    twin.progress.expect(1, 1000)
    for _ in range(1000):
        twin.progress.moved(1, 1)
    eventually(lambda: heard(world, control.ProgressNews), "progress")
    twin.passes.put(outcome())
    world.running("photos").passes.put(outcome())
    eventually(lambda: service.general() == "synced", "rest")
    assert len(heard(world, control.ProgressNews)) < 20

    eventually(lambda: heard(world, control.GeneralNews)[-1].general == "synced", "the last news")


def test_the_most_urgent_word_is_for_all(world: World, service: Service) -> None:
    """One job that asks outweighs one that works."""
    world.running("docs").passes.put(outcome(Ending.TROUBLE, trouble=("unreachable", "Away.")))
    world.running("photos").passes.put(outcome())
    eventually(lambda: service.general() == "waiting", "the word")


def test_folders_are_looked_at_and_links_made_below_the_jobs_folder(world: World) -> None:
    """A folder that another job has is told before a job is made; a path of a job is one below its folder on the server."""
    world.cloud.spaces[0].folders |= {"sub", "sub/inner"}
    service = World.service(world)
    try:
        assert service.do(control.CheckFolder(directory="/free")).against == ""
        assert "'docs'" in service.do(control.CheckFolder(directory="/docs/inner")).against
        service.do(control.ChangeJob(config=config("/docs", id="docs", remote_folder="sub")))
        link = service.do(control.Share(job="docs", path="inner"))
        assert world.cloud.links[link.id] == (1, "sub/inner")
        assert service.do(control.Unshare(job="docs", link=link.id)) is True
        where = {"url": SERVER, "user": "anna", "workspace": "anna"}
        assert service.do(control.MakeFolder(**where, path="sub/new")) == ("inner", "new")
        assert service.do(control.ListFolders(**where)) == ("sub",)
        assert [space.name for space in service.do(control.ListWorkspaces(url=SERVER, user="anna"))] == ["anna"]
        assert service.do(control.CheckServer(url=SERVER)).user == "anna"
    finally:
        service.close()


def test_quit_and_close(world: World) -> None:
    """Quit comes back at once; close ends all jobs, says so, and may come twice."""
    service = world.service()
    twin = world.running("docs")
    assert service.do(control.Quit()) is True
    assert world.quits == 1

    service.close()
    service.close()
    assert twin.closed.is_set()
    assert heard(world, control.Ended)[0] == control.Ended()

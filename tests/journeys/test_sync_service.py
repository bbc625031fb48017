"""The sync service as processes: jobs of files in both shapes, orders over the private link, servers that go away, kills."""

import json
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.journeys.cli_processes import PASSWORD, Home, Serving, read_line, stop, wait_for

from homestow.client.control import places
from homestow.client.control.link import Link
from homestow.values.errors import BadRequest, CloudError
from homestow.wire import control, job_file

pytestmark = pytest.mark.serial


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home folder."""
    return Home(tmp_path / "home")


@pytest.fixture
def server(home: Home) -> Iterator[Serving]:
    """A server with the account of Anna."""
    with home.server() as serving:
        home.fine("user", "add", "anna", "--data", home.data)
        yield serving


def client(home: Home) -> Path:
    """The folder of the client's own."""
    return home.path / ".local/share/homestow/client"


def there(home: Home) -> Path:
    """Anna's files on the server."""
    return home.data / "files" / "anna"


def job(server: Serving, folder: Path, **more: Any) -> dict[str, Any]:
    """A job as it stands in a file."""
    return {
        "__type__": "JobConfig", "server": server.url, "directory": str(folder), "workspace": "anna", "user": "anna", **more,
    }  # fmt: skip


class Syncing:
    """A `homestow sync` that runs, and a link to it; `faults` says where it dies, see `cli.faults`."""

    def __init__(self, home: Home, *words: object, faults: str = "") -> None:
        self.home = home
        env = {"HOMESTOW_PASSWORD": ""} | ({"HOMESTOW_FAULTS": faults} if faults else {})
        self.process = home.popen("sync", *words, env=env)
        self.link = Link(self._place())

    def _place(self) -> places.Place:
        found: list[places.Place] = []

        def ready() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            found[:] = [each for each in places.live(client(self.home)) if each.pid == self.process.pid and each.orders]
            return bool(found)

        wait_for(ready, "the service to answer")
        return found[0]

    def jobs(self) -> dict[str, control.JobNow]:
        """All jobs by id."""
        return {each.id: each for each in self.link.ask(control.ListJobs())}

    def wait(self, job: str, state: str) -> control.JobNow:
        """Wait for a job's state."""
        wait_for(lambda: self.jobs()[job].state == state, f"{job} to be {state}: {self.jobs()[job]}")
        return self.jobs()[job]


@contextmanager
def syncing(home: Home, *words: object) -> Iterator[Syncing]:
    """A running service, stopped at the end."""
    running = Syncing(home, *words)
    try:
        yield running
    finally:
        running.link.close()
        stop(running.process)


def log_in(home: Home, server: Serving) -> None:
    """Have this computer keep a token."""
    home.fine("sync", "-s", server.url, "-u", "anna", "-d", home.path / "first", "--once")


def test_jobs_of_an_array_with_a_password(home: Home, server: Serving) -> None:
    """The password is used and taken out; what is not ours stays; two folders follow one root, one bad job stops neither."""
    file = home.path / "jobs.json"
    given = [
        job(server, home.path / "one", password=PASSWORD, theirs=[1.50]),
        {"server": "no type"},
        job(server, home.path / "two", direction="down"),
    ]
    file.write_text(json.dumps(given))
    with syncing(home, "-f", file) as service:
        service.wait("127.0.0.1-anna", "synced")
        (home.path / "one" / "a.txt").write_text("hello")
        (home.path / "one" / ".hidden").write_text("the usual filters leave it out")
        wait_for((home.path / "two" / "a.txt").exists, "the file in the other folder")
        assert service.jobs()["job"].state == "failed"
        assert "__type__" in service.jobs()["job"].why
        process_list = subprocess.run(["ps", "-ef"], capture_output=True, text=True, check=True).stdout
    assert {path.name for path in there(home).iterdir()} - {".homestow"} == {"a.txt"}
    kept = json.loads(file.read_text())
    assert kept == [{key: value for key, value in given[0].items() if key != "password"}, *given[1:]]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in process_list
    for path in client(home).rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_jobs_of_an_object_are_changed_while_they_run(home: Home, server: Serving) -> None:
    """Added, changed, switched off and on, removed: each change is in the file at once, files of people stay."""
    log_in(home, server)
    file = home.path / "jobs.json"
    file.write_text(json.dumps({"docs": job(server, home.path / "docs")}))
    with syncing(home, "-f", file) as service:
        service.wait("docs", "synced")
        added = service.link.ask(
            control.AddJob(
                config=control.JobConfig(
                    server=server.url, directory=str(home.path / "new"), user="anna", workspace="1"
                )
            )
        )
        assert list(json.loads(file.read_text())) == ["docs", added.id]
        service.wait(added.id, "synced")
        (home.path / "docs" / "a.txt").write_text("hello")
        wait_for((home.path / "new" / "a.txt").exists, "the file in the new folder")

        one_way = control.JobConfig(
            id=added.id, server=server.url, directory=str(home.path / "new"), user="anna", workspace="anna",
            direction="down",
        )  # fmt: skip
        service.link.ask(control.ChangeJob(config=one_way))
        service.wait(added.id, "synced")
        (home.path / "new" / "only-here.txt").write_text("stays here")
        service.link.ask(control.Reload(job=added.id))
        wait_for(lambda: service.link.ask(control.ListProblems(job=added.id)) != (), "it to be told")
        assert not (there(home) / "only-here.txt").exists()

        assert service.link.ask(control.Enable(job=added.id, active=False)).state == "off"
        assert json.loads(file.read_text())[added.id]["active"] is False
        (left,) = service.link.ask(control.RemoveJob(job=added.id))
        assert left.id == "docs"
        assert list(json.loads(file.read_text())) == ["docs"]
        assert sorted(path.name for path in (home.path / "new").glob("*.txt")) == ["a.txt", "only-here.txt"]
        assert len(list((client(home) / "jobs").glob("note-*.json"))) == 1


def test_the_stored_jobs_begin_again(home: Home, server: Serving) -> None:
    """Without -d: no jobs at first, one added, a pause; after a kill the same service has it, still paused."""
    log_in(home, server)
    with syncing(home) as service:
        assert service.jobs() == {}
        assert service.link.ask(control.Hello()).general == "none"
        config = control.JobConfig(server=server.url, directory=str(home.path / "docs"), user="anna")
        service.link.ask(control.AddJob(config=config))
        service.wait("127.0.0.1-anna", "synced")
        service.link.ask(control.Pause())
        wait_for(lambda: service.link.ask(control.ListLog())[0].kind == "pause", "it to be in the log")
        service.process.kill()
        service.process.communicate()
        wait_for(lambda: not places.live(client(home)), "the place to be free")

    with syncing(home, "-f", ".") as again:
        again.wait("127.0.0.1-anna", "paused")
        (home.path / "docs" / "a.txt").write_text("hello")
        again.link.ask(control.Start())
        wait_for((there(home) / "a.txt").exists, "the file at the server")
        kinds = [event.kind for event in again.link.ask(control.ListLog())]
        assert {"pause", "resume"} <= set(kinds)


def test_a_second_service_is_refused_and_says_whose_it_is(home: Home, server: Serving) -> None:
    """The same job file, the stored jobs twice, and a folder that another service keeps."""
    log_in(home, server)
    file = home.path / "jobs.json"
    file.write_text(json.dumps([job(server, home.path / "docs")]))
    with syncing(home, "-f", file) as service:
        service.wait("127.0.0.1-anna", "synced")
        second = home.run("sync", "-f", file)
        assert second.code == 4
        assert str(service.process.pid) in second.line
        assert "homestow status" in second.line
        by_folder = home.run("sync", "-s", server.url, "-u", "anna", "-d", home.path / "docs", "--once")
        assert by_folder.code == 4
        assert str(service.process.pid) in by_folder.line

        with syncing(home, "-s", server.url, "-u", "anna", "-d", home.path / "other") as other:
            again = home.run("sync", "-s", server.url, "-u", "anna", "-d", home.path / "other")
            assert again.code == 4
            assert str(other.process.pid) in again.line
            with pytest.raises(BadRequest, match="without -d"):
                other.link.ask(control.RemoveJob(job="127.0.0.1-anna"))


def test_the_server_goes_away_and_comes_back(home: Home) -> None:
    """The state tells why it waits; what changed meanwhile is synced; both are in the log."""
    with home.server() as first:
        home.fine("user", "add", "anna", "--data", home.data)
        log_in(home, first)
        service = Syncing(home, "-s", first.url, "-u", "anna", "-d", home.path / "docs")
        service.wait("127.0.0.1-anna", "synced")
    try:
        waiting = service.wait("127.0.0.1-anna", "waiting")
        assert waiting.code == "unreachable"
        assert waiting.why
        (home.path / "docs" / "a.txt").write_text("hello")
        with home.server("--http", first.url.removeprefix("http://")):
            service.link.ask(control.Start())
            wait_for((there(home) / "a.txt").exists, "the file at the server")
            service.wait("127.0.0.1-anna", "synced")
        codes = [event.code for event in service.link.ask(control.ListLog(kinds=("state",)))][::-1]
        assert codes[:2] == ["synced", "unreachable"]
        assert "synced" in codes[2:]
    finally:
        service.link.close()
        stop(service.process)


def test_it_ends_in_time_and_leaves_no_place(home: Home, server: Serving) -> None:
    """SIGTERM in the middle of large transfers: within ten seconds, with exit 0, and the next one goes on."""
    log_in(home, server)
    folder = home.path / "docs"
    folder.mkdir()
    (folder / "large.bin").write_bytes(os.urandom(64 * 1024 * 1024))
    (home.path / "jobs.json").write_text(
        json.dumps([job(server, folder), job(server, home.path / "down", direction="down")])
    )
    process = home.popen("sync", "-f", home.path / "jobs.json", env={"HOMESTOW_PASSWORD": ""})
    assert "keeping 2 jobs" in read_line(process)
    begun = time.monotonic()
    ended = stop(process)
    assert time.monotonic() - begun < 10
    assert (ended.code, ended.err) == (0, "")
    assert places.live(client(home)) == []
    with syncing(home, "-f", home.path / "jobs.json"):
        wait_for((home.path / "down" / "large.bin").exists, "the file in the other folder")


def test_the_job_file_is_whole_whenever_it_is_killed(home: Home, server: Serving) -> None:
    """kill -9 while jobs are added, changed, paused and removed: the file is that before or after an order, never another."""
    log_in(home, server)
    file = home.path / "jobs.json"
    file.write_text(json.dumps({"keep": job(server, home.path / "keep", frequency="manual", theirs=True)}))
    for turn in range(5):
        service = Syncing(home, "-f", file)
        killer = subprocess.Popen(["sh", "-c", f"sleep 0.{turn + 2}; kill -9 {service.process.pid}"])
        number = 0
        with suppress(CloudError):
            while True:
                number += 1
                config = control.JobConfig(
                    id=f"n-{turn}-{number}", server=server.url, directory=str(home.path / f"n-{turn}-{number}"),
                    user="anna", frequency="manual",
                )  # fmt: skip
                service.link.ask(control.AddJob(config=config), timeout_s=2)
                service.link.ask(control.Pause(job=config.id), timeout_s=2)
                service.link.ask(control.Enable(job=config.id, active=False), timeout_s=2)
                if number % 2:
                    service.link.ask(control.RemoveJob(job=config.id), timeout_s=2)
        service.process.communicate()
        killer.wait()
        service.link.close()
        read = job_file.read(file.read_bytes())
        assert not any(each.fault for each in read.jobs)
        assert json.loads(file.read_text())["keep"]["theirs"] is True
        assert number > 1


def test_the_plain_ports(home: Home, server: Serving) -> None:
    """Any three free ones with -z 0, told in the port file; a port that another has ends the start, with exit 2."""
    log_in(home, server)
    account = ("-s", server.url, "-u", "anna")
    with syncing(home, *account, "-d", home.path / "docs", "-z", "0", "--api-port", "0"):
        wait_for((client(home) / "ports_config").exists, "the ports")
        told = (client(home) / "pydio_port_config").read_text()
        assert told.startswith("Pydio port config file")
        port = told.partition("command_socket:")[2].split()[0]
        assert (client(home) / "ports_config").read_text().startswith("pydio:")
        taken = home.run("sync", *account, "-d", home.path / "other", "-z", port)
        assert taken.code == 2
        assert port in taken.line
    assert not (client(home) / "pydio_port_config").exists()
    assert not (client(home) / "ports_config").exists()


def test_a_conflict_is_settled_by_order(home: Home, server: Serving) -> None:
    """Two edits of one file: both are kept and listed, and the choice is done on both sides, also while the job is paused."""
    other = Home(home.path / "other computer")
    theirs, account = other.path / "docs", ("-s", server.url, "-u", "anna")
    folder, job_id = home.path / "docs", "127.0.0.1-anna"
    log_in(home, server)
    with syncing(home, *account, "-d", folder) as service:
        (folder / "a.txt").write_text("base")
        wait_for((there(home) / "a.txt").exists, "the file at the server")
        service.wait(job_id, "synced")
        service.link.ask(control.Pause())
        service.wait(job_id, "paused")
        other.fine("sync", *account, "-d", theirs, "--once")
        (theirs / "a.txt").write_text("theirs, longer")
        other.fine("sync", *account, "-d", theirs, "--once")
        (folder / "a.txt").write_text("mine")
        service.link.ask(control.Start())
        wait_for(lambda: service.jobs()[job_id].conflicts == 1, "the conflict")
        wait_for(lambda: bool(service.link.ask(control.ListConflicts())[0].ready), "both to be on the server")
        service.wait(job_id, "synced")
        service.link.ask(control.Pause())
        service.wait(job_id, "paused")

        (conflict,) = service.link.ask(control.ListConflicts(job=job_id))
        assert Path(str(conflict.copy.file)).read_text() == "mine"
        assert service.link.ask(control.Settle(job=job_id, keep="copy", conflict=conflict.id)) == ()
        service.link.ask(control.Start())
        service.wait(job_id, "synced")
        assert [path.read_text() for path in folder.glob("*.txt")] == ["mine"]
        assert [path.read_text() for path in there(home).glob("*.txt")] == ["mine"]
        kinds = [event.kind for event in service.link.ask(control.ListLog())]
        assert {"conflict", "settled"} <= set(kinds)


def test_a_folder_of_a_root(home: Home, server: Serving) -> None:
    """-r keeps one folder of the root in step, and nothing else of it."""
    (there(home) / "sub").mkdir(parents=True)
    log_in(home, server)
    (home.path / "first" / "sub").mkdir(exist_ok=True)
    (home.path / "first" / "sub" / "in.txt").write_text("in")
    (home.path / "first" / "out.txt").write_text("out")
    log_in(home, server)
    with syncing(home, "-s", server.url, "-u", "anna", "-d", home.path / "part", "-r", "sub/") as service:
        service.wait("127.0.0.1-anna", "synced")
        assert [path.name for path in (home.path / "part").glob("*.txt")] == ["in.txt"]


@pytest.mark.parametrize("content", ["{", "5", '{"server": "x"}', "[" * 5000])
def test_a_file_that_is_no_job_file(home: Home, content: str) -> None:
    """One line that names the file, and exit 2."""
    file = home.path / "jobs.json"
    file.write_text(content)
    ran = home.run("sync", "-f", file)
    assert ran.code == 2
    assert str(file) in ran.line


def test_a_folder_of_the_command_line_beside_a_file(home: Home, server: Serving) -> None:
    """With -f and -d the folder is one of the file's jobs from then on; a file that is missing is made; given again, it is one job."""
    log_in(home, server)
    file, folder = home.path / "made.json", home.path / "added"
    words = ("-f", file, "-s", server.url, "-u", "anna", "-d", folder, "-dir", "down")
    for _ in range(2):
        with syncing(home, *words) as service:
            wait_for(lambda: len(service.jobs()) == 1, "the folder to be a job")
            (name,) = service.jobs()
            assert service.wait(name, "synced").config.direction == "down"
    written = job_file.read(file.read_bytes(), str(home.path)).jobs
    assert [Path(each.config.directory) for each in written] == [folder]


def test_a_job_file_is_read_again_by_a_command(home: Home, server: Serving) -> None:
    """Whoever edits the file need not end the service; a direction that nobody knows moves no byte."""
    log_in(home, server)
    file, one, two = home.path / "jobs.json", home.path / "one", home.path / "two"
    file.write_text(json.dumps([job(server, one)]))
    with syncing(home, "-f", file) as service:
        two.mkdir()
        (two / "private.txt").write_text("mine")
        file.write_text(json.dumps([job(server, one), job(server, two, direction="donw")]))
        said = home.fine("jobs", "reload")
        assert '"direction"' in said.out
        assert {each.state for each in service.jobs().values()} >= {"failed"}
        file.write_text(json.dumps([job(server, one), job(server, two, direction="down")]))
        home.fine("jobs", "reload")
        wait_for(lambda: [each.state for each in service.jobs().values()] == ["synced"] * 2, "both to be in step")
    assert not (there(home) / "private.txt").exists()

"""The sync service from the shell: `homestow status pause resume reload conflicts log jobs`."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.control_twin import BRAKE, TwinService
from tests.fronts.shell.rig import Shell

from homestow.cli.status import Json, Lines, Shown, Watching
from homestow.client.control import places
from homestow.wire.control import JobConfig, Pause, Start

COMMANDS = (["status"], ["status", "--watch"], ["pause"], ["resume"], ["reload"], ["conflicts"], ["log"], ["jobs"])
EVIL = "\x1b[2J\nhomestow: all is well\r"


def one_job(twin: TwinService, ident: str, label: str = "", directory: str = "") -> None:
    where = directory or f"/d/{ident}"
    twin.add(JobConfig(server="https://home.example.org", user="anna", id=ident, label=label, directory=where))


# --- nothing runs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS)
def test_without_a_service_it_is_said_what_to_do(shell: Shell, words: list[str]) -> None:
    """Exit code 4, one line."""
    line = shell.refused(4, *words)
    assert "no sync service runs" in line
    assert "homestow sync" in line


@pytest.mark.parametrize("command", ["status", "log", "jobs", "conflicts"])
def test_it_starts_light(command: str, tmp_path: Path) -> None:
    """Nothing of the server and none of the heavy libraries: an answer is there before one has let go of the key."""
    program = (
        f"import sys; from homestow.cli.entry import main; main([{command!r}]);"
        "print(sorted({name.split('.')[0] for name in sys.modules}"
        " & {'aiohttp', 'asyncio', 'sqlalchemy', 'keyring', 'zeroconf', 'sqlite3', 'ssl'}), 'homestow.server' in sys.modules)"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "[] False\n"


def test_without_jobs_it_is_said_how_to_add_one(shell: Shell) -> None:
    """A service of nothing is no error."""
    shell.serve(TwinService(jobs=False))
    assert "homestow jobs add" in shell.fine("status")
    assert "homestow jobs add" in shell.fine("jobs")
    assert shell.fine("conflicts") == "no conflicts.\n"
    assert shell.fine("log") == shell.fine("pause") == ""
    assert "no jobs yet" in shell.refused(2, "pause", "x")


# --- status -----------------------------------------------------------------------------------------------------------


def test_status_shows_each_job(shell: Shell) -> None:
    """State, progress, speed, time left, and what waits for a person with the command for it."""
    shell.serve()
    assert shell.fine("status").splitlines() == [
        "#  job        state        progress                            speed     time left",
        "0  Documents  1 item left",
        "   see which and why: homestow status documents",
        "   1 conflict waits for your choice (nothing is lost): homestow conflicts documents",
        "1  Photos     syncing      8 of 40 files, 27.2 MB of 136.0 MB  5.6 MB/s  19 s",
        "   1 conflict waits for your choice (nothing is lost): homestow conflicts photos",
        "   2026/Sommer/IMG_0009.jpg",
        "2  Manuals    paused",
    ]


def test_status_of_one_job_says_what_is_left_and_why(shell: Shell) -> None:
    """By the job's number, too."""
    shell.serve()
    assert (
        "left: Budget.xlsx: Budget.xlsx is being written by another program. It is sent when that is done."
        in shell.fine("status", "0")
    )


def test_status_as_json(shell: Shell) -> None:
    """One document, with the jobs as the control protocol has them."""
    shell.serve()
    (line,) = shell.fine("status", "--json").splitlines()
    told = json.loads(line)
    assert [(job["number"], job["config"]["id"], job["state"]) for job in told["jobs"]] == [
        (0, "documents", "left"),
        (1, "photos", "syncing"),
        (2, "manuals", "paused"),
    ]
    assert told["services"] == [{"name": "service", "pid": os.getpid(), "version": "0.1.0"}]
    assert [each["code"] for each in json.loads(shell.fine("status", "documents", "--json"))["problems"]] == ["busy"]


def test_all_services_together(shell: Shell) -> None:
    """Jobs of several services are counted through, and each is steered where it is."""
    first, second = shell.serve().twin, TwinService(jobs=False)
    one_job(second, "music")
    shell.serve(second, places.name_for_folder(Path("/d/music")))
    told = json.loads(shell.fine("status", "--json"))
    assert [job["number"] for job in told["jobs"]] == [0, 1, 2, 3]
    assert shell.fine("pause", "3") == "music: paused\n"
    assert not [job for job in first.jobs() if job.id != "manuals" and job.paused]
    assert [job.paused for job in second.jobs()] == [True]
    assert shell.fine("resume").count("\n") == 4


def test_names_cannot_draw_on_the_terminal(shell: Shell) -> None:
    """S98: whatever control characters stand in names, reasons and paths."""
    twin = TwinService(jobs=False)
    one_job(twin, "evil", label=EVIL, directory="/d/" + EVIL)
    twin.happen("evil", "upload", EVIL, size=1)
    twin.clash("evil", EVIL, EVIL + "2", EVIL)
    twin.move("evil", state="waiting", why=EVIL, code="unreachable")
    shell.serve(twin)
    for words in (["status"], ["status", "evil"], ["jobs"], ["log"], ["conflicts"], ["pause"], ["resume"], ["reload"]):
        out = shell.fine(*words)
        assert all(letter.isprintable() or letter == "\n" for letter in out), (words, out)
        assert not [line for line in out.splitlines() if line.startswith("homestow:")], (words, out)
    line = shell.refused(2, "pause", "no" + EVIL)
    assert all(letter.isprintable() for letter in line)


# --- which job --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["photos", "1", "Photos", "PHOTOS", "/home/anna/Pictures", "/home/anna/Music/../Pictures/"]
)
def test_a_job_by_any_of_its_names(shell: Shell, word: str) -> None:
    """Id, number, label in any capitals, folder."""
    twin = shell.serve().twin
    assert shell.fine("pause", word).startswith("Photos: paused")
    assert twin.given[-1] == Pause(job="photos")


def test_an_unknown_job_names_those_there_are(shell: Shell) -> None:
    """Exit code 2."""
    shell.serve()
    for word in ("nothing", "7", "/home/anna", "99999999999999999999"):
        line = shell.refused(2, "pause", word)
        assert "documents (Documents), photos (Photos), manuals (Manuals)" in line


def test_a_name_of_several_jobs_is_not_guessed(shell: Shell) -> None:
    """The ids are told; an id always wins."""
    twin = TwinService(jobs=False)
    for ident in ("a", "b"):
        one_job(twin, ident, label="same")
    shell.serve(twin)
    assert "a (same), b (same)" in shell.refused(2, "pause", "same")
    shell.fine("pause", "a")


# --- steering ---------------------------------------------------------------------------------------------------------


def test_pause_resume_reload(shell: Shell) -> None:
    """One job or all; what they are then is told."""
    twin = shell.serve().twin
    assert [line.split(":")[0] for line in shell.fine("pause").splitlines()] == ["Documents", "Photos", "Manuals"]
    assert all(job.paused for job in twin.jobs())
    assert shell.fine("resume", "manuals").startswith("Manuals: syncing")
    shell.fine("resume")
    assert not any(job.paused for job in twin.jobs())
    assert shell.fine("reload", "manuals").startswith("Manuals: looking through the folder")


def test_the_brake_is_answered(shell: Shell) -> None:
    """`resume --accept-deletes`; what it means and the command for it are told before."""
    twin = shell.serve().twin
    assert "no job asks" in shell.refused(1, "resume", "--accept-deletes")
    twin.move("photos", state="asking", brake=BRAKE, paused=True)
    shown = shell.fine("status")
    assert "180 of 240 files would be deleted on the server, because the folder here does not have them" in shown
    assert "homestow resume photos --accept-deletes" in shown
    shell.fine("resume", "--accept-deletes")
    job = next(job for job in twin.jobs() if job.id == "photos")
    assert (job.brake, job.paused) == (None, False)
    assert twin.given[-1] == Start(job="photos")
    assert "asks nothing" in shell.refused(2, "resume", "photos", "--accept-deletes")


def test_of_two_questions_none_is_guessed(shell: Shell) -> None:
    """Deleting is never for all at once."""
    twin = shell.serve().twin
    for job in ("photos", "documents"):
        twin.move(job, state="asking", brake=BRAKE)
    assert "documents, photos" in shell.refused(2, "resume", "--accept-deletes")


# --- conflicts --------------------------------------------------------------------------------------------------------


def test_conflicts_are_listed_with_both_contents(shell: Shell) -> None:
    """Id, device, sizes, times; what cannot be settled yet says so."""
    shell.serve()
    out = shell.fine("conflicts")
    assert "c1  Documents: plan.md" in out
    assert "by ben-laptop: plan (conflict ben-laptop 2026-09-21 0f3a9c).md" in out
    assert out.count("not both are on the server yet") == 1
    assert "c1" not in shell.fine("conflicts", "photos")
    assert [json.loads(line)["id"] for line in shell.fine("conflicts", "--json").splitlines()] == ["c1", "c2"]


@pytest.mark.parametrize("words", [["c1"], ["documents", "c1"], ["plan.md"], ["documents", "--all"]])
@pytest.mark.parametrize("keep", ["original", "copy", "both"])
def test_a_conflict_is_settled(shell: Shell, words: list[str], keep: str) -> None:
    """By its id, its file, or all of a job."""
    twin = shell.serve().twin
    assert "settled" in shell.fine("conflicts", *words, "--keep", keep)
    assert "c1" not in shell.fine("conflicts")
    assert twin.jobs()[0].conflicts == 0


def test_conflicts_that_cannot_be_settled(shell: Shell) -> None:
    """Not ready, unknown, or not said which: nothing is done."""
    twin = shell.serve().twin
    assert "not on the server yet" in shell.refused(1, "conflicts", "c2", "--keep", "copy")
    assert "there is: c1, c2" in shell.refused(2, "conflicts", "c9", "--keep", "copy")
    assert "which conflict" in shell.refused(2, "conflicts", "--keep", "copy")
    shell.refused(2, "conflicts", "--all")
    shell.refused(2, "conflicts", "documents", "c1")
    code, out, err = shell.run("conflicts", "--all", "--keep", "both")
    assert (code, out) == (1, "1 settled.\n")
    assert "Photos: " in err
    assert sum(job.conflicts for job in twin.jobs()) == 1


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_log_ends_with_the_newest(shell: Shell) -> None:
    """Of all jobs or one, as many as asked for."""
    shell.serve()
    lines = shell.fine("log", "--limit", "3").splitlines()
    assert len(lines) == 3
    assert lines[0].endswith("Documents: deleted old notes.txt here")
    assert "both contents of cover.jpg are kept" in lines[-1]
    assert "sent Taxes/2025.ods (48.2 kB)" in shell.fine("log", "documents")
    assert "Photos" not in shell.fine("log", "documents")
    assert [json.loads(line)["id"] for line in shell.fine("log", "--json", "--limit", "2").splitlines()] == [13, 14]


def test_a_log_longer_than_a_page(shell: Shell) -> None:
    """Pages are read on until the limit."""
    twin = TwinService(jobs=False)
    one_job(twin, "a")
    for number in range(2500):
        twin.happen("a", "upload", f"{number}.txt", size=number)
    shell.serve(twin)
    lines = shell.fine("log", "--limit", "2200").splitlines()
    assert (len(lines), lines[0].split(" sent ")[1], lines[-1].split(" sent ")[1]) == (
        2200, "300.txt (300 B)", "2499.txt (2.5 kB)",
    )  # fmt: skip


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_jobs_are_listed(shell: Shell) -> None:
    """What each keeps in step with what."""
    shell.serve()
    out = shell.fine("jobs")
    assert out == shell.fine("jobs", "list")
    assert (
        "2  manuals  Manuals: /home/anna/Manuals, Manuals of anna on https://home.example.org, the folder follows"
        in out
    )
    configs = [json.loads(line) for line in shell.fine("jobs", "list", "--json").splitlines()]
    assert configs[2]["filters"] == {"includes": [], "excludes": ["*.tmp"]}


def test_a_job_comes_changes_and_goes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """All flags; what is not named stays; files are never touched."""
    twin = shell.serve(TwinService(jobs=False)).twin
    monkeypatch.chdir(shell.home)
    shell.fine(
        "jobs", "add", "-s", "https://home.example.org/", "-u", "anna", "-d", "Music", "-w", "anna", "-r", "/Music/",
        "-dir", "up", "--label", "Tunes", "--when", "02:30", "--solve", "remote", "--exclude", "*.tmp", "--exclude", "*.bak",
    )  # fmt: skip
    config = twin.jobs()[0].config
    assert (config.server, config.directory, config.workspace) == (
        "https://home.example.org",
        f"{shell.home}/Music",
        "anna",
    )
    assert (config.remote_folder, config.direction, config.solve) == ("Music", "up", "remote")
    assert (config.frequency, config.start_time.h, config.start_time.m) == ("time", 2, 30)
    assert config.filters.excludes == ("*.tmp", "*.bak")

    shell.fine("jobs", "change", "Tunes", "--when", "manual", "-dir", "bi")
    changed = twin.jobs()[0].config
    assert (changed.frequency, changed.direction, changed.label) == ("manual", "bi", "Tunes")
    assert "daily" not in shell.fine("jobs")
    shell.fine("jobs", "disable", "Tunes")
    assert "not active" in shell.fine("jobs")
    shell.fine("jobs", "enable", "Music")
    assert twin.jobs()[0].config.active
    assert "stay where they are" in shell.fine("jobs", "remove", "0")
    assert twin.jobs() == ()


def test_a_job_that_cannot_be(shell: Shell) -> None:
    """Said before the service is asked: folder missing, times and addresses of no kind, nothing to change."""
    twin = shell.serve().twin
    assert "which folder" in shell.refused(2, "jobs", "add", "-s", "https://home.example.org")
    for when in ("25:00", "2:3", "noon", "1:60", "²:00"):
        assert "02:30" in shell.refused(2, "jobs", "add", "-d", "x", "--when", when)
    assert "no server's address" in shell.refused(2, "jobs", "add", "-d", "x", "-s", "file:///etc")
    assert "nothing to change" in shell.refused(2, "jobs", "change", "photos")
    assert "x" * 10 not in str(
        [order for order in twin.given if "Job" in type(order).__name__ and "List" not in type(order).__name__]
    )


def test_a_login_is_needed_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a token the password comes from HOMESTOW_PASSWORD; without that it is said what to do."""
    twin = shell.serve(TwinService(jobs=False)).twin
    add = ["jobs", "add", "-s", "https://home.example.org", "-u", "ben", "-d", "/d/x", "-w", "Photos"]
    monkeypatch.setattr("homestow.cli.jobs.ask_password", lambda prompt: None)
    assert "HOMESTOW_PASSWORD" in shell.refused(4, *add)
    monkeypatch.setenv("HOMESTOW_PASSWORD", "wrong word")
    line = shell.refused(4, *add)
    assert "wrong word" not in line
    monkeypatch.setenv("HOMESTOW_PASSWORD", "staple staple staple")
    assert "staple" not in shell.fine(*add)
    assert len(twin.jobs()) == 1
    assert "staple" not in repr(twin.given)


def test_a_folder_on_the_server_is_made_when_asked_to(shell: Shell) -> None:
    """`--make`, with those above it; without it nothing is made."""
    twin = shell.serve(TwinService(jobs=False)).twin
    add = ("jobs", "add", "-s", "https://home.example.org", "-u", "anna", "-w", "anna")
    shell.fine(*add, "-d", "/d/a", "-r", "Music/Good")
    assert "Music/Good" not in twin.servers[0].folders["anna"]
    shell.fine(*add, "-d", "/d/b", "-r", "New/Good", "--make")
    assert {"New", "New/Good"} <= twin.servers[0].folders["anna"]


def test_a_password_is_typed_when_somebody_is_there(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is given once more with it."""
    twin = shell.serve(TwinService(jobs=False)).twin
    asked: list[str] = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return "staple staple staple"

    monkeypatch.setattr("homestow.cli.jobs.ask_password", typed)
    shell.fine("jobs", "add", "-s", "https://home.example.org", "-u", "ben", "-d", "/d/x", "-w", "Photos")
    assert (asked, len(twin.jobs())) == (["Password of ben on https://home.example.org"], 1)


# --- live -------------------------------------------------------------------------------------------------------------


class Follower:
    """Watches while things happen: each step is taken when what it waits for has been said."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._came = threading.Condition()

    def say(self, line: str) -> None:
        with self._came:
            self.lines.append(line)
            self._came.notify_all()

    def _until(self, text: str) -> None:
        with self._came:
            assert self._came.wait_for(lambda: any(text in line for line in self.lines), 20), (text, self.lines)

    def follow(self, shown: Shown, steps: Sequence[tuple[str, Callable[[], object]]]) -> list[str]:
        """All lines; each step is what has to be in a line, and what happens then. The last one ends it."""
        shown.pace_s = 0.0
        watching = Watching(shown)
        failures: list[BaseException] = []

        def move() -> None:
            try:
                for awaited, step in steps:
                    self._until(awaited)
                    step()
            except BaseException as error:  # noqa: BLE001 - raised by the test
                failures.append(error)
            finally:
                watching.stop()

        thread = threading.Thread(target=move)
        thread.start()
        watching.run()
        thread.join(20)
        if failures:
            raise failures[0]
        return self.lines


def test_watch_tells_changes_in_lines(shell: Shell) -> None:
    """Where no terminal is: a line when a job's state is another, and when the service ends."""
    twin = shell.serve().twin
    seen = Follower()
    lines = seen.follow(
        Lines(seen.say),
        [
            ("Photos: syncing, 8 of 40 files", lambda: twin.work("photos")),
            ("Photos: in step", lambda: twin.move("photos", state="waiting", why="The server is away.")),
            ("Photos: waiting, The server is away.", shell.close),
            ("no sync service runs", lambda: None),
        ],
    )
    assert [line.split("  ")[1].split(":")[0] for line in lines[:3]] == ["Documents", "Photos", "Manuals"]


def test_watch_as_json_is_a_document_per_line(shell: Shell) -> None:
    """Progress too; the last line says that nothing runs any more. A service that begins later is taken up."""
    twin, other = shell.serve().twin, TwinService(jobs=False)
    one_job(other, "music")
    seen = Follower()
    lines = seen.follow(
        Json(seen.say),
        [
            ('"files_done":8', lambda: twin.progress("photos", files_done=9)),
            ('"files_done":9', lambda: shell.serve(other, "folder-music")),
            ('"id":"music"', shell.close),
            ('"services":[]', lambda: None),
        ],
    )
    documents = [json.loads(line) for line in lines]
    assert documents[0]["jobs"][1]["progress"]["files_done"] == 8
    assert documents[-1]["jobs"] == []


# --- the plain link of old windows ------------------------------------------------------------------------------------


def test_the_plain_link_is_spoken_too(shell: Shell) -> None:
    """`-z`: what the wiki's link can, by number, folder or id."""
    served = shell.serve(plain=True)
    z = ("-z", str(served.port))
    assert shell.fine("status", *z).splitlines() == [
        "PAUSED",
        "0  /home/anna/Documents  https://home.example.org",
        "1  /home/anna/Pictures  https://home.example.org",
        "2  /home/anna/Manuals  https://home.example.org",
    ]
    assert json.loads(shell.fine("status", "--json", *z))["jobs"][1]["directory"] == "/home/anna/Pictures"
    for word in ("1", "photos", "/home/anna/Pictures", "Pictures"):
        assert shell.fine("pause", word, *z) == "PAUSED\n"
        assert served.twin.given[-1] == Pause(job="photos")
        assert shell.fine("resume", word, *z) == "RUNNING\n"
    assert shell.fine("reload", "1", *z) == "RUNNING\n"
    assert shell.fine("pause", *z) == "PAUSED\n"
    assert "no job 9" in shell.refused(1, "pause", "9", *z)
    for words in (["status", "--watch"], ["status", "photos"], ["resume", "--accept-deletes"]):
        assert "leave" in shell.refused(2, *words, *z)


def test_nobody_at_the_plain_link(shell: Shell, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    """Exit code 4, and what to do."""
    monkeypatch.setattr("homestow.cli.plainlink._ANSWER_MS", 50)
    for command in ("status", "pause", "resume", "reload"):
        assert "homestow sync -z" in shell.refused(4, command, "-z", str(unused_tcp_port))

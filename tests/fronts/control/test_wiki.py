"""The link as the wiki orders it: each order, each reply and each publication, by sockets that know nothing of us."""

import json

import pytest
import zmq
from tests.control_twin import BRAKE
from tests.fronts.control.rig import Rig

from homestow.wire.control import JobConfig

DOCUMENTS = "https://home.example.org - /home/anna/Documents"


def states(rig: Rig) -> list[bool]:
    """Which jobs are paused."""
    return [job.paused for job in rig.twin.jobs()]


def test_start_and_pause_of_all(plain: Rig) -> None:
    """PAUSE and START without a number concern every folder; the reply is the new state."""
    with plain.command() as socket:
        socket.send(b"PAUSE")
        assert socket.recv() == b"PAUSED"
        assert states(plain) == [True, True, True]
        socket.send(b"START")
        assert socket.recv() == b"RUNNING"
        assert states(plain) == [False, False, False]


@pytest.mark.parametrize("job", ["0", "documents"])
def test_start_pause_and_reload_of_one_folder(plain: Rig, job: str) -> None:
    """An order may name a folder by its number in the list, or by its id; the others stay as they are."""
    assert plain.say(f"PAUSE {job}") == "PAUSED"
    assert states(plain) == [True, False, True]
    assert plain.say(f"RELOAD {job}") == "PAUSED"
    assert plain.say(f"START {job}") == "RUNNING"
    assert states(plain) == [False, False, True]
    assert plain.say(f"RELOAD {job}") == "RUNNING"
    assert plain.twin.jobs()[0].state == "scanning"


def test_reload_of_all_tells_the_state_after_it(plain: Rig) -> None:
    """The last folder is paused, so it is PAUSED; after START it runs."""
    assert plain.say("RELOAD") == "PAUSED"
    plain.say("START")
    assert plain.say("RELOAD") == "RUNNING"
    assert {job.state for job in plain.twin.jobs()} == {"scanning"}


def test_list_jobs(plain: Rig) -> None:
    """A JSON array of server and directory, in the order of the numbers."""
    assert json.loads(plain.say("LIST-JOBS")) == [
        DOCUMENTS,
        "https://home.example.org - /home/anna/Pictures",
        "https://home.example.org - /home/anna/Manuals",
    ]


@pytest.mark.parametrize(
    "order",
    [
        "",
        "pause",
        "PAUSED",
        "STOP",
        "PAUSE  0",
        "PAUSE 0 1",
        "LIST-JOBS 0",
        "CMD Share file /a",
        "\0\0",
        "{}",
        "x" * 1000,
    ],
)
def test_other_words_are_undefined(plain: Rig, order: str) -> None:
    """What is no order changes nothing and has the reply that windows know."""
    assert plain.say(order) == "undefined reply"
    assert states(plain) == [False, False, True]
    assert plain.twin.given == plain.twin.given[:1]  # hello, when the hub began


@pytest.mark.parametrize("job", ["3", "-1", "00000000000000000000000000000", "photo", "²", "documents/.."])
def test_unknown_folders_are_undefined(plain: Rig, job: str) -> None:
    """A number or id that no folder has: undefined, and a sentence that says so."""
    for word in ("PAUSE", "START", "RELOAD"):
        assert plain.say(f"{word} {job}").startswith("undefined reply There is no job")
    assert states(plain) == [False, False, True]


def test_no_bytes_of_text_and_frames_too_many(plain: Rig) -> None:
    """What is no UTF-8, or more than one frame, is undefined, too."""
    with plain.command() as socket:
        for frames in ([b"\xff\xfe"], [b"PAUSE", b"0"], [b"PAUSE", b"", b"PAUSE"], [b""]):
            socket.send_multipart(frames)
            assert socket.recv() == b"undefined reply"
    assert states(plain) == [False, False, True]


def test_json_on_a_port_is_undefined(plain: Rig) -> None:
    """A port carries plain words only: nothing of the rest of the protocol is to be had there (S83)."""
    for order in ({"order": "quit"}, {"order": "log"}, {"order": "hello"}):
        assert plain.say(json.dumps({"version": 1, "order": order})) == "undefined reply"
    assert not plain.twin.quit.is_set()


def test_the_watch_tells_the_state_of_the_last_folder(plain: Rig) -> None:
    """Any request is answered by RUNNING or PAUSED."""
    with plain.connect(zmq.REQ, plain.plain.watch) as socket:
        for request in (b"sync", b"", b"PAUSE", b"\xff"):
            socket.send(request)
            assert socket.recv() == b"PAUSED"
        plain.say("START 2")
        socket.send(b"sync")
        assert socket.recv() == b"RUNNING"
    assert states(plain) == [False, False, False]


def test_nothing_to_keep_in_step(plain: Rig) -> None:
    """Without folders the watch says PAUSED, the list is empty, and orders are undefined."""
    for job in plain.twin.jobs():
        plain.ask({"order": "remove-job", "job": job.id})
    with plain.connect(zmq.REQ, plain.plain.watch) as socket:
        socket.send(b"sync")
        assert socket.recv() == b"PAUSED"
    assert json.loads(plain.say("LIST-JOBS")) == []
    assert plain.say("START").startswith("undefined reply")


# --- publications -----------------------------------------------------------------------------------------------------


def test_a_status_follows_the_reply(plain: Rig) -> None:
    """`status PAUSE` and `status START` follow each order, also one that changes nothing: a window may have waited for it."""
    ear = plain.hear("status")
    assert ear.flush() == ["status PAUSE"]  # the state, repeated: the last folder is paused
    for order, status in (("PAUSE", "PAUSE"), ("PAUSE", "PAUSE"), ("START", "START"), ("START 1", "START")):
        plain.say(order)
        assert ear.flush() == [f"status {status}"], order


def test_a_status_follows_orders_of_others(plain: Rig) -> None:
    """Who pauses or starts by our own window is seen by the old one."""
    ear = plain.hear("status")
    ear.flush()
    plain.ask({"order": "pause", "job": "documents"})
    assert ear.next() == "status PAUSE"
    plain.ask({"order": "start", "job": "documents"})
    assert ear.next() == "status START"
    plain.twin.add(JobConfig(server="http://localhost", directory="/home/anna/New"))
    assert ear.next() == "status START"


def test_a_status_comes_before_the_first_change(plain: Rig) -> None:
    """A paused folder goes on after `status START` was published, never before: no `sync` line precedes it."""
    plain.say("PAUSE")
    ear = plain.hear("status", "sync")
    ear.flush()

    def at_once(order: object) -> None:
        plain.twin.before = lambda order: None
        plain.twin.move("photos", paused=False, state="syncing")
        plain.twin.happen("photos", "download", "first.jpg", side="here")

    for start in (lambda: plain.say("START"), lambda: plain.ask({"order": "start"})):
        plain.say("PAUSE")
        ear.until(lambda line: line == "status PAUSE")
        plain.twin.before = at_once
        start()
        came = ear.until(lambda line: line.startswith("sync"))
        assert came[0] == "status START"
        assert came[-1] == "sync File first.jpg downloaded from server"
        ear.flush()


@pytest.mark.parametrize(
    "kind, side, facts, line",
    [
        ("mkdir", "here", {}, "New folder created at a/b"),
        ("mkdir", "there", {}, "New folder created on server at a/b"),
        ("delete", "here", {"folder": True}, "Deleted folder a/b"),
        ("delete", "here", {}, "Deleted file a/b"),
        ("delete", "there", {"folder": True}, "Deleted folder a/b on server"),
        ("delete", "there", {}, "Deleted file a/b on server"),
        ("move", "here", {"to": "c"}, "Moved a/b to c"),
        ("move", "there", {"to": "c"}, "Moved a/b to c on server"),
        ("download", "here", {"size": 5}, "File a/b downloaded from server"),
        ("upload", "there", {"size": 5}, "File a/b uploaded to server"),
        ("conflict", "here", {"to": "a/b 2"}, "Both contents of a/b are kept, the other one as a/b 2"),
        ("settled", "", {}, "The conflict of a/b is settled"),
    ],
)
def test_each_change_is_told(plain: Rig, kind: str, side: str, facts: dict[str, object], line: str) -> None:
    """`sync` and a sentence, for changes of both sides; those of the old services in their own words."""
    ear = plain.hear("sync")
    plain.twin.happen("documents", kind, "a/b", side=side, **facts)
    assert ear.next() == f"sync {line}"


def test_what_is_no_change_is_not_told(plain: Rig) -> None:
    """States, problems and pauses have channels of their own."""
    ear = plain.hear("sync")
    for kind in ("state", "problem", "pause", "resume"):
        plain.twin.happen("documents", kind, "a")
    plain.twin.happen("documents", "upload", "b", side="there")
    assert ear.next() == "sync File b uploaded to server"


def test_names_obey_nobody(plain: Rig) -> None:
    """A line break or an escape in a name is no second publication, and moves no cursor (S98)."""
    ear = plain.hear("sync")
    plain.twin.happen("documents", "upload", "a\nstatus START\x1b[2J\u202e\udc80", side="there")
    assert ear.next() == "sync File a\ufffdstatus START\ufffd[2J\ufffd\ufffd uploaded to server"


def test_every_change_of_many_is_told(plain: Rig) -> None:
    """A thousand changes at once are a thousand lines, in order."""
    ear = plain.hear("sync")
    for number in range(1000):
        plain.twin.happen("photos", "download", f"{number}.jpg", side="here")
    assert [ear.next() for _ in range(1000)] == [f"sync File {n}.jpg downloaded from server" for n in range(1000)]


def test_the_general_status(plain: Rig) -> None:
    """Synced, in pause, starting, syncing: one word for all folders, when it changes."""
    ear = plain.hear("general")
    assert ear.flush() == ["general syncing"]
    plain.say("PAUSE")
    assert ear.next() == "general in pause"
    for job in ("documents", "photos", "manuals"):
        plain.twin.move(job, state="synced", paused=False, problems=0)
    assert ear.until(lambda line: line == "general synced")
    plain.twin.move("photos", state="starting")
    assert ear.next() == "general starting"
    plain.twin.move("photos", state="asking", brake=BRAKE)
    assert ear.next() == "general asking"


def test_the_status_of_each_task(plain: Rig) -> None:
    """Number, state, server and directory, when one of them changes; and that a folder is no more kept in step."""
    ear = plain.hear("task")
    assert ear.flush()[0] == f"task 0 left {DOCUMENTS}"
    plain.twin.move("documents", state="synced", problems=0)
    assert ear.next() == f"task 0 synced {DOCUMENTS}"
    plain.twin.move("documents", conflicts=0)
    plain.ask({"order": "remove-job", "job": "documents"})
    assert ear.next() == f"task 0 gone {DOCUMENTS}"
    assert ear.next() == "task 0 syncing https://home.example.org - /home/anna/Pictures"
    assert ear.next() == "task 1 paused https://home.example.org - /home/anna/Manuals"


def test_the_progress_of_a_chosen_task_and_of_all(plain: Rig) -> None:
    """Who subscribes to a number hears of that folder alone; `overall` is all of them. Each at most once a second."""
    chosen, general = plain.hear("progress 1 "), plain.hear("overall ")
    assert chosen.flush() == ["progress 1 8/40 files 27200036/136000000 bytes 5600000 B/s"]
    assert general.flush() == ["overall 8/40 files 27200036/136000000 bytes 5600000 B/s"]
    for number in range(9, 21):
        plain.twin.progress("photos", files_done=number)
        plain.twin.progress("documents", files_done=number)
    assert chosen.next() == "progress 1 9/40 files 27200036/136000000 bytes 5600000 B/s"
    assert general.next() == "overall 9/40 files 27200036/136000000 bytes 5600000 B/s"
    assert (chosen.flush(), general.flush()) == ([], [])
    plain.forward(1.0)
    assert chosen.next() == "progress 1 20/40 files 27200036/136000000 bytes 5600000 B/s"
    assert general.next() == "overall 40/40 files 27200036/136000000 bytes 5600000 B/s"
    assert (chosen.flush(), general.flush()) == ([], [])


def test_a_sign_of_life_every_ten_seconds(plain: Rig) -> None:
    """`ping/`, while time passes."""
    ear = plain.hear("ping")
    assert ear.flush() == ["ping/"]
    for _ in range(5):
        plain.forward(9.9)
        assert ear.flush() == []
        plain.forward(0.1)
        assert ear.next() == "ping/"


def test_the_present_state_is_repeated_to_each_subscriber(plain: Rig) -> None:
    """Whoever comes late knows at once how things are: of each channel that has a state."""
    everything = plain.hear("")
    assert everything.flush() == [
        "status PAUSE",
        "ping/",
        "general syncing",
        f"task 0 left {DOCUMENTS}",
        "task 1 syncing https://home.example.org - /home/anna/Pictures",
        "task 2 paused https://home.example.org - /home/anna/Manuals",
        "progress 0 0/0 files 0/0 bytes 0 B/s",
        "progress 1 8/40 files 27200036/136000000 bytes 5600000 B/s",
        "progress 2 0/0 files 0/0 bytes 0 B/s",
        "overall 8/40 files 27200036/136000000 bytes 5600000 B/s",
    ]
    plain.say("START")
    assert "status START" in everything.flush()
    for _ in range(3):
        assert plain.hear("status").flush() == ["status START"]


def test_nothing_of_ours_reaches_an_old_window(plain: Rig) -> None:
    """No JSON is published on the ports, and no channel of ours begins like one of the old windows'."""
    ear = plain.hear("")
    ear.flush()
    plain.twin.move("photos", state="synced")
    plain.twin.happen("photos", "upload", "a", side="there")
    plain.ask({"order": "change-settings", "settings": {"up_kbytes": 5}})
    plain.forward(10)
    came = ear.flush()
    assert came
    assert not [line for line in came if "homestow" in line or "{" in line]
    topics = {line.split(" ")[0] for line in came} - {"status", "sync", "ping/"}
    assert not [topic for topic in topics if topic.startswith(("status", "sync", "ping"))]

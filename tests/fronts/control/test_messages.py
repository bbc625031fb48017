"""Orders and news as JSON at the service's own sockets, by sockets that know the documented messages alone."""

import json
import stat
import threading
from typing import Any

import pytest
import zmq
from tests.control_twin import TwinService
from tests.fronts.control.rig import Rig, wait_for

from homestow.client.control.desk import MAX_FRAMES
from homestow.values.errors import Busy
from homestow.wire.control import AnyOrder, Discover, EventNews, JobConfig, ListJobs, ProgressNews, decode_news


def order(name: str, **fields: object) -> bytes:
    """An order as a frame."""
    return json.dumps({"version": 1, "order": {"order": name, **fields}}).encode()


def test_the_sockets_are_the_users_alone(rig: Rig) -> None:
    """A folder of mode 700 with two sockets, the lock and a note, all of mode 600; nothing else (S83)."""
    folder = rig.place.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {"lock", "news", "orders", "place.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert rig.place.orders == f"ipc://{folder}/orders"


def test_an_order_is_answered(rig: Rig) -> None:
    """What it gave, as JSON."""
    assert rig.ask({"order": "hello"})["gave"]["device"] == "anna-desktop"
    assert [job["number"] for job in rig.ask({"order": "jobs"})["gave"]] == [0, 1, 2]
    assert rig.ask({"order": "pause", "job": "photos"})["gave"][1]["paused"] is True
    assert rig.ask({"order": "quit"})["gave"] is True


def test_a_refusal_says_why(rig: Rig) -> None:
    """A code for programs, a sentence for people, and no `gave`."""
    answer = rig.ask({"order": "remove-job", "job": "x"})
    assert answer["refused"] == {"code": "not-found", "message": "There is no job x."}
    assert "gave" not in answer or answer["gave"] is None


@pytest.mark.parametrize(
    "frames, code",
    [
        ([b"{"], "bad-request"),
        ([b"{\x80\x04cos\nsystem\n(S'touch /tmp/x'\ntR."], "bad-request"),
        ([b"{}"], "bad-request"),
        ([b'{"order":{"order":"pau\xffse"}}'], "bad-request"),
        ([b'{"order":{"order":"explode"}}'], "bad-request"),
        ([b'{"order":{"order":"pause","job":5}}'], "bad-request"),
        ([b'{"version":2,"order":{"order":"hello"}}'], "wrong-version"),
        ([b'{"order":' * 100_000], "bad-request"),
        ([order("hello"), order("hello")], "bad-request"),
        ([order("log", limit=100_000)], "bad-request"),
    ],
)
def test_a_wrong_order_is_refused(rig: Rig, frames: list[bytes], code: str) -> None:
    """Whatever comes, the requester gets an answer and the next order is obeyed."""
    with rig.orders() as socket:
        socket.send_multipart(frames)
        assert json.loads(socket.recv())["refused"]["code"] == code
        socket.send(order("hello"))
        assert "gave" in json.loads(socket.recv())


def test_the_plain_words_work_there_too(rig: Rig) -> None:
    """A shell may say PAUSE to the service's own socket."""
    with rig.orders() as socket:
        for word, reply in ((b"PAUSE", b"PAUSED"), (b"START 0", b"RUNNING"), (b"?", b"undefined reply")):
            socket.send(word)
            assert socket.recv() == reply


def test_too_much_is_not_taken(rig: Rig) -> None:
    """More than eight frames have no answer; a frame over a megabyte ends the connection. Others notice nothing (S85, S87)."""
    with rig.orders(zmq.DEALER) as socket:
        socket.send_multipart([b""] + [b"x"] * MAX_FRAMES)
        socket.send_multipart([b"", order("hello")])
        assert "gave" in json.loads(socket.recv_multipart()[-1])
        socket.send_multipart([b"", b"{" + b" " * 1024 * 1024])
        with rig.orders() as other:
            other.send(order("hello"))
            assert "gave" in json.loads(other.recv())
        assert not socket.poll(100)


def test_a_thousand_fast_orders(rig: Rig) -> None:
    """All are answered, in their order, to a peer that sends all before it reads."""
    with rig.orders(zmq.DEALER) as socket:
        for number in range(1000):
            word = "start" if number % 2 else "pause"
            socket.send_multipart([b"", order(word, job="photos")])
        answers = [json.loads(socket.recv_multipart()[-1]) for _ in range(1000)]
    assert [answer["gave"][1]["paused"] for answer in answers] == [number % 2 == 0 for number in range(1000)]


def test_a_thousand_fast_plain_orders(plain: Rig) -> None:
    """The same in plain words, by one requester after the other and by one that does not wait."""
    with plain.command() as socket:
        for number in range(1000):
            socket.send(b"START 1" if number % 2 else b"PAUSE 1")
            assert socket.recv() == (b"RUNNING" if number % 2 else b"PAUSED")
    with plain.command(zmq.DEALER) as socket:
        for number in range(1000):
            socket.send_multipart([b"", b"START 1" if number % 2 else b"PAUSE 1"])
        assert [socket.recv_multipart()[1] for _ in range(1000)] == [b"PAUSED", b"RUNNING"] * 500


class Gate:
    """Holds slow orders until a test lets them go on."""

    def __init__(self, twin: TwinService) -> None:
        self.open = threading.Event()
        self.waiting = 0
        twin.before = self

    def __call__(self, given: AnyOrder) -> None:
        if isinstance(given, Discover):
            self.waiting += 1
            assert self.open.wait(20)


def test_quick_orders_do_not_wait_for_slow_ones(rig: Rig) -> None:
    """While the network is searched, a pause of another window is obeyed at once."""
    gate = Gate(rig.twin)
    with rig.orders() as slow:
        slow.send(order("discover"))
        wait_for(lambda: gate.waiting, "the search")
        assert rig.ask({"order": "pause"})["gave"]
        assert not slow.poll(0)
        gate.open.set()
        assert json.loads(slow.recv())["gave"][0]["name"] == "Family server"


def test_answers_of_one_peer_come_in_order(rig: Rig) -> None:
    """Who gives its orders no ids gets the answers in the order it asked, and they are obeyed one after the other."""
    gate = Gate(rig.twin)
    with rig.orders(zmq.DEALER) as socket:
        for frame in (
            order("pause"),
            order("discover"),
            order("start", job="photos"),
            order("discover"),
            order("hello"),
        ):
            socket.send_multipart([b"", frame])
        assert json.loads(socket.recv_multipart()[-1])["gave"][0]["paused"] is True
        wait_for(lambda: gate.waiting, "the search")
        assert rig.twin.jobs()[1].paused  # its start waits for the search
        gate.open.set()
        gave = [json.loads(socket.recv_multipart()[-1])["gave"] for _ in range(4)]
    assert [type(each).__name__ for each in gave] == ["list", "list", "list", "dict"]
    assert gave[1][1]["paused"] is False


def test_answers_with_ids_come_when_they_are_ready(rig: Rig) -> None:
    """Who gives them ids gets each as soon as it is there."""
    gate = Gate(rig.twin)
    with rig.orders(zmq.DEALER) as socket:
        socket.send_multipart([b"1", b"", order("discover")])
        socket.send_multipart([b"2", b"", order("hello")])
        assert socket.recv_multipart()[:2] == [b"2", b""]
        gate.open.set()
        assert socket.recv_multipart()[:2] == [b"1", b""]


def test_too_many_slow_orders_are_refused(rig: Rig) -> None:
    """Four are done side by side, some hundreds wait, more are refused as busy; then all goes on."""
    gate = Gate(rig.twin)
    with rig.orders(zmq.DEALER) as socket:
        for number in range(300):
            socket.send_multipart([str(number).encode(), b"", order("discover")])
        refused = [json.loads(socket.recv_multipart()[-1]) for _ in range(300 - 256)]
        assert {answer["refused"]["code"] for answer in refused} == {Busy.code}
        assert gate.waiting == 4
        gate.open.set()
        assert all("gave" in json.loads(socket.recv_multipart()[-1]) for _ in range(256))


def test_a_requester_that_dies_before_its_answer(rig: Rig) -> None:
    """Nobody waits for it, and its order is done."""
    gate = Gate(rig.twin)
    for _ in range(10):
        with rig.orders() as socket:
            socket.send(order("discover"))
            socket.close(linger=10_000)
    wait_for(lambda: gate.waiting == 4, "the searches")
    gate.open.set()
    wait_for(lambda: sum(isinstance(each, Discover) for each in rig.twin.given) == 10, "all orders")
    assert rig.ask({"order": "hello"})["gave"]


def test_a_requester_that_dies_between_plain_order_and_reply(plain: Rig) -> None:
    """A window that is killed in this moment leaves a service that goes on."""
    for number in range(50):
        with plain.command() as socket:
            socket.send(b"START" if number % 2 else b"PAUSE")
            socket.close(linger=1000)
    wait_for(lambda: len(plain.twin.given) >= 51, "all orders")
    assert plain.say("START") == "RUNNING"


def test_a_failure_inside_is_told_as_such(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """An order that breaks something in the service is answered, and the log has the reason."""

    def breaks(given: AnyOrder) -> None:
        if isinstance(given, ListJobs | Discover):
            raise ZeroDivisionError("inside")

    rig.twin.before = breaks
    assert rig.ask({"order": "jobs"})["refused"]["code"] == "internal"
    assert rig.ask({"order": "discover"})["refused"]["code"] == "internal"
    assert "ZeroDivisionError: inside" in caplog.text
    assert rig.ask({"order": "hello"})["gave"]


# --- news -------------------------------------------------------------------------------------------------------------


def news(frames: list[str]) -> list[Any]:
    """The JSON of publications."""
    return [json.loads(frame.partition(" ")[2]) for frame in frames]


def test_the_present_state_is_repeated(rig: Rig) -> None:
    """To each new subscriber, of the topics it asked for."""
    everything = rig.hear("homestow.1/", to=rig.place.news)
    topics = [frame.split(" ")[0].removeprefix("homestow.1/") for frame in everything.flush()]
    assert topics == [
        "general", "job/documents", "progress/documents", "job/photos", "progress/photos", "job/manuals",
        "progress/manuals", "settings",
    ]  # fmt: skip
    one = rig.hear("homestow.1/job/photos", to=rig.place.news)
    assert [each["job"]["number"] for each in news(one.flush())] == [1]


def test_news_bear_their_topics(rig: Rig) -> None:
    """Jobs, events, settings, the general state: each under a topic that begins with the version."""
    ear = rig.hear("homestow.1/", to=rig.place.news)
    ear.flush()
    rig.twin.move("photos", state="synced")
    rig.twin.happen("photos", "upload", "a.jpg", side="there", size=5)
    rig.ask({"order": "change-settings", "settings": {"up_kbytes": 5}})
    rig.ask({"order": "remove-job", "job": "manuals"})
    came = ear.until(lambda frame: "gone" in frame) + ear.flush()
    assert [frame.split(" ")[0] for frame in came] == [
        "homestow.1/job/photos", "homestow.1/general", "homestow.1/events", "homestow.1/settings", "homestow.1/job/manuals",
    ]  # fmt: skip
    told = news(came)
    assert told[0]["job"]["state"] == "synced"
    assert told[1]["general"] == "left"
    assert [(event["path"], event["size"]) for event in told[2]["events"]] == [("a.jpg", 5)]
    assert told[3]["settings"]["up_kbytes"] == 5
    assert told[4] == {"news": "gone", "job": "manuals"}


def test_progress_at_most_four_times_a_second(rig: Rig) -> None:
    """However often it changes, the newest is told every quarter of a second, and the last one always."""
    ear = rig.hear("homestow.1/progress/photos", to=rig.place.news)
    ear.flush()
    for number in range(10, 20):
        rig.twin.progress("photos", files_done=number)
    assert news(ear.flush())[0]["progress"]["files_done"] == 10
    for number in range(20, 30):
        rig.twin.progress("photos", files_done=number)
    assert ear.flush() == []
    rig.forward(0.25)
    assert [each["progress"]["files_done"] for each in news(ear.flush())] == [29]
    rig.forward(10)
    assert ear.flush() == []


def test_many_events_come_in_one(rig: Rig) -> None:
    """The first at once, then at most a hundred in one publication every quarter of a second; `more` counts the others."""
    ear = rig.hear("homestow.1/events", to=rig.place.news)
    for number in range(1000):
        rig.twin.happen("photos", "download", f"{number}.jpg", side="here")
    first = decode_news(ear.next().encode())
    assert isinstance(first, EventNews)
    rig.ask({"order": "hello"})
    rig.forward(0.25)
    second = decode_news(ear.next().encode())
    assert isinstance(second, EventNews)
    told = [event.path for event in (*first.events, *second.events)]
    assert told[-1] == "999.jpg"
    assert len(second.events) == 100
    assert len(told) + first.more + second.more == 1000
    assert ear.flush() == []


def test_a_name_that_is_no_text(rig: Rig) -> None:
    """Bytes of a name that are no letters do not keep news or answers back."""
    ear = rig.hear("homestow.1/events", to=rig.place.news)
    rig.twin.happen("photos", "download", "a\udc80b", side="here")
    assert news([ear.next()])[0]["events"][0]["path"].startswith("a\ufffd")
    assert rig.ask({"order": "log", "limit": 1})["gave"][0]["path"].startswith("a\ufffd")


def test_a_subscriber_that_never_reads(rig: Rig) -> None:
    """It keeps nobody waiting and holds little memory: what it does not take is dropped (S87)."""
    deaf = rig.connect(zmq.SUB, rig.place.news)
    deaf.rcvhwm = 1
    deaf.subscribe("")
    ear = rig.hear("homestow.1/job", to=rig.place.news)
    ear.flush()
    before = resident_bytes()
    why = "x" * 4000
    for number in range(10_000):
        rig.twin.move("photos", why=f"{number} {why}")
        if number % 100 == 0:
            ear.until(lambda frame, seen=number: f'"why":"{seen} ' in frame)  # type: ignore[misc]
    grown = resident_bytes() - before
    assert grown < 30_000_000, f"{grown:,} bytes for 80 MB of news"
    assert rig.ask({"order": "hello"})["gave"]


def resident_bytes() -> int:
    """Memory of this process."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def test_the_end_is_told(rig: Rig) -> None:
    """Who listens hears that the service ends, after all that happened before; the files are gone then."""
    ear = rig.hear("homestow.1/", to=rig.place.news)
    ear.flush()
    rig.twin.happen("photos", "upload", "last.jpg", side="there")
    rig.twin.happen("photos", "upload", "very last.jpg", side="there")
    rig.hub.close()
    came = ear.flush()
    assert came[-1] == 'homestow.1/general {"news":"ended"}'
    assert "very last.jpg" in came[-2]
    rig.hub.close()
    rig.held.release()
    assert not rig.place.folder.exists()


def test_an_answer_leaves_before_the_end(rig: Rig) -> None:
    """Who orders the end gets its answer though the service ends at once."""
    with rig.orders() as socket:
        socket.send(order("quit"))
        assert rig.twin.quit.wait(20)
        rig.hub.close()
        assert json.loads(socket.recv())["gave"] is True


def test_jobs_that_come_are_told(rig: Rig) -> None:
    """A job that is added is news of its own topic."""
    ear = rig.hear("homestow.1/job/", to=rig.place.news)
    ear.flush()
    made = rig.twin.add(JobConfig(server="http://localhost", directory="/home/anna/New", user="anna"))
    assert news([ear.next()])[0]["job"]["config"]["id"] == made.id == "localhost-anna"
    assert isinstance(decode_news(b'homestow.1/progress/x {"news":"progress","job":"x","progress":{}}'), ProgressNews)

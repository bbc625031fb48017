"""Our own routes: one order and one answer, news that never pile up, pictures of conflicts and of nothing else."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.control_twin import TwinService, lived_in
from tests.fronts.control_http.rig import Site, Visitor, opened

from homestow.client.control.web.limits import Limits
from homestow.client.control.web.mailbox import MOST_EVENTS, Mailbox
from homestow.wire.control import (
    Event,
    EventNews,
    GeneralNews,
    JobGone,
    Progress,
    ProgressNews,
    Settings,
    SettingsNews,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


class Follower:
    """One that hears the news."""

    def __init__(self, visitor: Visitor, peer: socket.socket) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in visitor.secrets.items())
        peer.sendall(f"GET /control/news HTTP/1.1\r\nHost: 127.0.0.1:{visitor.site.port}\r\n{lines}\r\n".encode())
        self._file = peer.makefile("rb")
        self.head = b""
        while not self.head.endswith(b"\r\n\r\n"):
            self.head += self._file.readline()

    def next(self) -> Any:
        """The next publication; None at the end."""
        while line := self._file.readline():
            if line.startswith(b"data: "):
                return json.loads(line[6:])
        return None


@contextmanager
def following(visitor: Visitor) -> Iterator[Follower]:
    with socket.create_connection(("127.0.0.1", visitor.site.port), timeout=20) as peer:
        yield Follower(visitor, peer)


def test_one_order_one_answer(site: Site) -> None:
    """Orders are those of the control protocol, and so are refusals, whoever asks."""
    visitor = site.enter()
    assert [job["config"]["id"] for job in visitor.order("jobs")] == ["documents", "photos", "manuals"]
    assert visitor.order("pause", job="photos")[1]["state"] == "paused"
    assert visitor.order("pause", job="nothing")["code"] == "not-found"
    assert visitor.order("dance")["code"] == "bad-request"
    old = visitor.ask("POST", "/control", body={"version": 2, "order": {"order": "jobs"}})
    assert (old.status, old.json()["refused"]["code"]) == (400, "wrong-version")
    assert (
        site.log_in().ask("POST", "/control", body={"order": {"order": "hello"}}).json()["gave"]["device"]
        == "anna-desktop"
    )


@pytest.mark.parametrize(
    "body", [b"", b"[", b"{}", b"null", b"[" * 100_000, b"\xff", json.dumps({"order": {"order": 1}}).encode()]
)
def test_what_is_no_order_is_refused(site: Site, body: bytes) -> None:
    """And the service lives."""
    visitor = site.enter()
    assert visitor.ask("POST", "/control", body=body).json()["refused"]["code"] == "bad-request"
    assert visitor.order("jobs")


def test_news_begin_with_the_present(site: Site) -> None:
    """Who begins to follow hears first how all is, then what changes."""
    with following(site.enter()) as follower:
        assert b"text/event-stream" in follower.head
        told = [follower.next() for _ in range(5)]
        assert [news["news"] for news in told] == ["general", "job", "job", "job", "settings"]
        site.twin.move("photos", state="synced")
        assert follower.next()["job"]["state"] == "synced"
        assert follower.next()["news"] == "general"


def test_news_end_with_the_service(site: Site) -> None:
    """The end is told, then the stream ends."""
    with following(site.enter()) as follower:
        site.twin.end()
        kinds = []
        while (news := follower.next()) is not None:
            kinds.append(news["news"])
        assert kinds[-1] == "ended"


def test_a_closed_page_ends_its_streams(tmp_path: Path) -> None:
    """Closing waits for nobody who follows."""
    with opened(tmp_path) as site, following(site.enter()) as follower:
        follower.next()
        site.page.stop()
        while follower.next() is not None:
            pass


def test_an_order_that_closes_the_page_is_answered(site: Site) -> None:
    """Another port, or none, is set over the very connection that ends with it."""
    visitor = site.enter()
    site.twin.before = lambda order: site.page.stop()
    assert len(visitor.order("jobs")) == 3
    assert site.page.port is None


def test_a_stream_without_news_says_that_it_lives(tmp_path: Path) -> None:
    """So a browser and the service both notice when the other is gone."""
    with opened(tmp_path, limits=Limits(beat_s=0.01)) as site:
        with socket.create_connection(("127.0.0.1", site.port), timeout=20) as peer:
            follower = Follower(site.enter(), peer)
            while b": alive" not in follower._file.readline():
                pass


def test_news_do_not_pile_up() -> None:
    """However many come before they are taken: of each state the newest, of events the newest hundred and how many more."""
    mailbox = Mailbox()
    for number in range(100_000):
        mailbox.put(ProgressNews(job="a", progress=Progress(files_done=number)))
        mailbox.put(EventNews(events=(Event(id=number, at_ns=0, job="a", kind="upload"),)))
    news = mailbox.take(0)

    assert news is not None
    assert [type(each) for each in news] == [ProgressNews, EventNews]
    assert isinstance(news[0], ProgressNews)
    assert news[0].progress.files_done == 99_999
    assert isinstance(news[1], EventNews)
    assert [event.id for event in news[1].events] == list(range(100_000 - MOST_EVENTS, 100_000))
    assert news[1].more == 100_000 - MOST_EVENTS
    assert mailbox.take(0) == []
    mailbox.close()
    assert mailbox.take(0) is None


def test_what_is_gone_has_no_progress() -> None:
    """A job that ended is told as gone, and nothing of it after that."""
    mailbox = Mailbox()
    mailbox.put(ProgressNews(job="a", progress=Progress()))
    mailbox.put(JobGone(job="a"))
    assert mailbox.take(0) == [JobGone(job="a")]


def test_what_came_during_the_first_look_is_not_taken_back() -> None:
    """A page that begins while something changes shows what is then, not what was when the service looked."""
    mailbox = Mailbox()
    mailbox.put(JobGone(job="b"))
    mailbox.put(SettingsNews(settings=Settings(up_kbytes=2)))
    mailbox.begin((SettingsNews(settings=Settings(up_kbytes=1)), GeneralNews(general="none", progress=Progress())))

    assert mailbox.take(0) == [
        GeneralNews(general="none", progress=Progress()),
        JobGone(job="b"),
        SettingsNews(settings=Settings(up_kbytes=2)),
    ]


# --- pictures ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictured(tmp_path: Path) -> Iterator[Site]:
    """A conflict of two pictures in a folder that is there."""
    twin = TwinService(jobs=False)
    lived_in(twin, str(tmp_path))
    (tmp_path / "Pictures").mkdir()
    (tmp_path / "Pictures" / "a.png").write_bytes(PNG + b"ours")
    (tmp_path / "Pictures" / "b.png").write_bytes(PNG + b"theirs")
    (tmp_path / "Pictures" / "c.png").write_bytes(PNG + b"of no conflict")
    twin.clash("photos", "a.png", "b.png")
    with opened(tmp_path, twin, Limits(picture_bytes=1000)) as site:
        yield site


def preview(site: Site, side: str = "copy", job: str = "photos") -> Any:
    conflict = site.twin._conflicts[-1].id
    return site.enter().ask("GET", f"/control/preview?job={job}&conflict={conflict}&side={side}")


def test_both_sides_of_a_conflict_are_shown(pictured: Site) -> None:
    """As pictures, by what they begin with; and alone in a tab they may do nothing."""
    for side, content in (("original", PNG + b"ours"), ("copy", PNG + b"theirs")):
        answer = preview(pictured, side)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/png", content)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "content", [b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", b"<html>", b"", b"GIF87", PNG + bytes(2000)]
)
def test_what_is_no_picture_is_not_shown(pictured: Site, content: bytes) -> None:
    """Neither what could bear scripts, whatever its name says, nor what is too large."""
    (Path(pictured.twin.jobs()[1].config.directory) / "b.png").write_bytes(content)

    answer = preview(pictured)
    assert answer.status == 415
    assert content not in answer.body or not content


def test_no_other_file_is_shown(pictured: Site, tmp_path: Path) -> None:
    """Only what the service lists: no other job, side or conflict, no link to elsewhere, no pipe, nothing outside of the folder."""
    assert preview(pictured, side="../../c.png").status == 404
    assert preview(pictured, job="documents").status == 404
    assert preview(pictured, job="nothing").status == 404
    assert pictured.enter().ask("GET", "/control/preview?job=photos&conflict=c.png&side=copy").status == 404
    target = Path(pictured.twin.jobs()[1].config.directory) / "b.png"
    target.unlink()
    assert preview(pictured).status == 415
    secret = tmp_path / "secret.png"
    secret.write_bytes(PNG)
    target.symlink_to(secret)
    assert preview(pictured).status == 415
    target.unlink()
    os.mkfifo(target)
    assert preview(pictured).status == 415
    pictured.twin.clash("photos", "a.png", "../secret.png")
    assert preview(pictured).status == 404
    pictured.twin.clash("photos", "a.png", str(secret))
    assert preview(pictured).status == 404

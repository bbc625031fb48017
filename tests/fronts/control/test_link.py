"""Our own end of the link: orders from many threads, news, and a service that goes away and comes back."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.control_twin import TwinService
from tests.fronts.control.rig import PATIENCE_S, Rig, open_rig, wait_for

from homestow.client.control import places
from homestow.client.control.hub import Hub
from homestow.client.control.link import Link, RefusedBy, refusal
from homestow.values.errors import CloudError, LoginFailed, NotFound, Unreachable
from homestow.wire.control import (
    AnyNews,
    AnyOrder,
    Discover,
    Ended,
    EventNews,
    GeneralNews,
    Hello,
    JobNews,
    ListJobs,
    LogIn,
    Pause,
    Quit,
    Refused,
    Settle,
    Start,
)


@pytest.fixture(params=[False, True], ids=["files", "ports"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    """A service, by socket files and by ports with keys."""
    with open_rig(tmp_path, ports=request.param) as rig:
        yield rig


@pytest.fixture
def link(served: Rig) -> Iterator[Link]:
    """A link to it."""
    made = Link(served.place)
    yield made
    made.close()


def test_what_orders_give(link: Link) -> None:
    """Values of the documented types."""
    assert link.ask(Hello()).device == "anna-desktop"
    assert [job.id for job in link.ask(ListJobs())] == ["documents", "photos", "manuals"]
    assert link.ask(Pause(job="photos"))[1].paused
    assert link.ask(Quit()) is True


def test_refusals_are_errors(link: Link) -> None:
    """Of the class that the code names; a code without a class is kept."""
    with pytest.raises(NotFound, match="There is no job x"):
        link.ask(Pause(job="x"))
    with pytest.raises(LoginFailed):
        link.ask(LogIn(url="https://home.example.org", user="anna", password="wrong password"))
    with pytest.raises(CloudError, match="choose when it is") as caught:
        link.ask(Settle(job="photos", keep="both"))
    assert caught.value.code == "not-ready"
    strange = refusal(Refused(code="of-a-newer-service", message="Later."))
    assert isinstance(strange, RefusedBy)
    assert (strange.code, strange.message) == ("of-a-newer-service", "Later.")


def test_orders_of_many_threads(link: Link, served: Rig) -> None:
    """Each gets its own answer, and none waits for another one's slow order."""
    go_on = threading.Event()

    def slowly(order: AnyOrder) -> None:
        if isinstance(order, Discover):
            assert go_on.wait(PATIENCE_S)

    served.twin.before = slowly
    found: list[object] = []
    slow = threading.Thread(target=lambda: found.append(link.ask(Discover())))
    slow.start()
    right: list[bool] = []

    def orders(job: str, number: int) -> None:
        for _ in range(50):
            right.append(link.ask(Pause(job=job))[number].paused)
            right.append(not link.ask(Start(job=job))[number].paused)

    threads = [threading.Thread(target=orders, args=each) for each in (("documents", 0), ("photos", 1), ("manuals", 2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 300
    assert found == []
    go_on.set()
    slow.join()
    assert len(found) == 1


def test_an_answer_that_does_not_come(link: Link, served: Rig) -> None:
    """After its time, it is said so; the link goes on."""
    go_on = threading.Event()

    def slowly(order: AnyOrder) -> None:
        if isinstance(order, Discover):
            go_on.wait(PATIENCE_S)

    served.twin.before = slowly
    with pytest.raises(Unreachable, match=f"process {os.getpid()}. did not answer in time"):
        link.ask(Discover(), timeout_s=0.2)
    go_on.set()
    assert link.ask(Hello())


def test_news_are_heard(link: Link, served: Rig) -> None:
    """The present state first, then what happens, until it is stopped."""
    heard: list[AnyNews] = []
    there: list[bool] = []
    stop = link.subscribe(["general", "job/", "events"], heard.append, there.append)
    wait_for(lambda: len(heard) == 4, "the present state")
    assert isinstance(heard[0], GeneralNews)
    assert {type(news) for news in heard[1:]} == {JobNews}
    assert there == [True]
    served.twin.happen("photos", "upload", "a.jpg", side="there")
    wait_for(lambda: isinstance(heard[-1], EventNews), "an event")
    stop()
    stop()
    served.twin.move("photos", state="synced")
    assert link.ask(Hello())
    assert isinstance(heard[-1], EventNews)


def test_a_listener_may_end_itself(link: Link) -> None:
    """From its own thread, too."""
    heard: list[AnyNews] = []
    stops: list[object] = []
    ready = threading.Event()

    def once(news: AnyNews) -> None:
        assert ready.wait(PATIENCE_S)
        heard.append(news)
        stop()

    stop = link.subscribe([""], once)
    stops.append(stop)
    ready.set()
    wait_for(lambda: heard, "news")
    assert link.ask(Hello())


def test_a_listener_that_fails(link: Link, served: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """It hears what comes next nevertheless, and the log has the reason."""
    heard: list[AnyNews] = []

    def fails(news: AnyNews) -> None:
        heard.append(news)
        raise ZeroDivisionError("in the window")

    stop = link.subscribe(["general", "job/"], fails)
    wait_for(lambda: len(heard) == 4, "the present state")
    stop()
    assert "ZeroDivisionError: in the window" in caplog.text


FORGETS = """
import sys, threading
from pathlib import Path
from tests.control_twin import TwinService
from homestow.client.control import places
from homestow.client.control.hub import Hub
from homestow.client.control.link import Link
hub = Hub(TwinService(), places.take("service", Path(sys.argv[1])))
link = Link(hub.open())
hub.open_plain(0)
heard = threading.Event()
link.subscribe([""], lambda news: heard.set())
heard.wait(20)
sys.exit(7)
"""


def test_a_program_that_forgets_to_close_ends(tmp_path: Path) -> None:
    """A hub and a link that nobody closed keep no process from its end."""
    repository = Path(__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", FORGETS, str(tmp_path / "c")],
        env={**os.environ, "PYTHONPATH": f"{repository}:{repository / 'src'}"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (7, "")


@pytest.mark.parametrize("ports", [False, True], ids=["files", "ports"])
def test_the_service_goes_and_comes_back(tmp_path: Path, ports: bool) -> None:
    """The listener is told, orders say what to do meanwhile; then all goes on with the new service, wherever its ports are."""
    client = tmp_path / "client"
    heard: list[AnyNews] = []
    there: list[bool] = []
    twin = TwinService()
    held = places.take(places.SERVICE, client)
    hub = Hub(twin, held, ports=ports)
    link = Link(hub.open())
    link.subscribe([""], heard.append, there.append)
    wait_for(lambda: len(heard) >= 5 and there == [True], "the present state")
    for number in range(2):
        hub.close()
        held.release()
        wait_for(lambda: not there[-1], "the end")
        wait_for(lambda: any(isinstance(news, Ended) for news in heard), "the word that it ends")
        with pytest.raises(Unreachable, match=r"does not run. Start it with `homestow sync`, or .*`homestow ui`"):
            link.ask(Hello())
        heard.clear()
        twin.move("photos", why=f"round {number}")
        held = places.take(places.SERVICE, client)
        hub = Hub(twin, held, ports=ports)
        hub.open()
        wait_for(lambda: there[-1] and len(heard) >= 5, "the new service")
        assert any(isinstance(news, JobNews) and news.job.why == f"round {number}" for news in heard)
        assert link.ask(Hello())
    link.close()
    link.close()
    assert there == [True, False, True, False, True]
    with pytest.raises(Unreachable):
        link.ask(Hello())
    with pytest.raises(Unreachable, match="closed"):
        link.subscribe([""], heard.append)
    hub.close()
    held.release()


def test_a_service_that_dies_while_it_is_asked(tmp_path: Path) -> None:
    """Who waits is told soon, not after a minute."""
    twin = TwinService()
    held = places.take(places.SERVICE, tmp_path / "client")
    hub = Hub(twin, held)
    link = Link(hub.open())
    asked, go_on = threading.Event(), threading.Event()

    def slowly(order: AnyOrder) -> None:
        if isinstance(order, Discover):
            asked.set()
            go_on.wait(PATIENCE_S)

    twin.before = slowly
    said: list[str] = []

    def ask() -> None:
        try:
            link.ask(Discover())
        except Unreachable as error:
            said.append(error.message)

    asking = threading.Thread(target=ask)
    asking.start()
    assert asked.wait(PATIENCE_S)
    hub.close()
    held.release()
    asking.join(PATIENCE_S)
    go_on.set()
    assert said == [
        "The sync service ended before it answered. Start it with `homestow sync`, or open the window with `homestow ui`."
    ]
    link.close()

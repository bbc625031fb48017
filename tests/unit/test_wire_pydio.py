"""Plain words of the control link: what windows of all generations say and hear, and the files with the ports."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.wire import pydio
from homestow.wire.pydio import Api, General, Order, Ping, Ports, Status, Sync, Task, Way, Word

texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp")), max_size=60)
whole = st.integers(0, 2**63 - 1)
jobs = st.from_regex(r"[^ \x00-\x1f\x7f]{1,40}", fullmatch=True).filter(lambda job: job == job.strip("\0 \t\r\n"))


@given(st.sampled_from([Word.PAUSE, Word.START, Word.RELOAD]), st.none() | jobs)
def test_orders_read_as_they_were_written(word: Word, job: str | None) -> None:
    """Each order for each job, or for all."""
    assert pydio.decode_order(pydio.encode_order(Order(word, job))) == Order(word, job)


def test_the_list_is_of_all_jobs() -> None:
    """LIST-JOBS stands alone."""
    assert pydio.decode_order(b"LIST-JOBS") == Order(Word.LIST_JOBS)
    assert pydio.decode_order(b"LIST-JOBS 1") is None


@pytest.mark.parametrize(
    "frame, order",
    [
        (b"PAUSE\0", Order(Word.PAUSE)),
        (b" START \r\n", Order(Word.START)),
        (b"RELOAD 3", Order(Word.RELOAD, "3")),
        (b"PAUSE  3", None),
        (b"PAUSE 1 2", None),
        (b"PAUSEALL", None),
        (b"pause", None),
        (b"\xff", None),
        (b"", None),
        (b"START " + b"x" * 2000, None),
    ],
)
def test_what_is_an_order(frame: bytes, order: Order | None) -> None:
    """Blanks and zeros around the words are passed over; nothing else is."""
    assert pydio.decode_order(frame) == order


@pytest.mark.parametrize(
    "job, number",
    [
        ("0", 0),
        ("12", 12),
        ("00", 0),
        ("photos", None),
        ("-1", None),
        ("1.0", None),
        ("²", None),
        ("٣", None),
        ("9" * 12, None),
    ],
)
def test_which_jobs_are_numbers(job: str, number: int | None) -> None:
    """Only plain digits, and few of them."""
    assert Order(Word.PAUSE, job).number == number


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_something_or_nothing(frame: bytes) -> None:
    """Nothing that comes over the wire raises."""
    order = pydio.decode_order(frame)
    assert order is None or pydio.decode_order(pydio.encode_order(order)) == order
    publication = pydio.decode(frame)
    assert publication is None or pydio.decode(pydio.encode(publication)) is not None
    pydio.read_state(frame)
    pydio.decode_port_file(frame.decode("latin-1"))
    pydio.decode_api_file(frame.decode("latin-1"))


@pytest.mark.parametrize(
    "reply, running",
    [
        (b"running", True), (b"stopped", False), (b"status updated", None), (b"RUNNING", True), (b"PAUSED", False),
        (b"undefined reply", None), (b"undefined reply There is no job 7.", None), (b"", None),
    ],
)  # fmt: skip
def test_replies_of_all_generations(reply: bytes, running: bool | None) -> None:
    """Those of the second say nothing of the state."""
    assert pydio.read_state(reply) is running


@given(st.lists(st.tuples(texts.filter(lambda text: " - " not in text and not text.endswith(" ")), texts)))
def test_lists_read_as_they_were_written(listed: list[tuple[str, str]]) -> None:
    """Server and directory of each job; the directory may hold anything."""
    listed = [(server, directory.lstrip(" -")) for server, directory in listed]
    assert pydio.decode_jobs(pydio.encode_jobs(listed)) == listed


@pytest.mark.parametrize("reply", [b"", b"undefined reply", b"{}", b"[1]", b'["a"]', b"[" * 100_000, b"\xff"])
def test_what_is_no_list(reply: bytes) -> None:
    """It is said as a wrong value."""
    with pytest.raises(ValueError, match="LIST-JOBS"):
        pydio.decode_jobs(reply)


@given(
    st.one_of(
        st.builds(Status, st.booleans()),
        st.builds(Sync, texts),
        st.just(Ping()),
        st.builds(General, st.sampled_from(["synced", "in pause", "starting", "syncing", "none"])),
        st.builds(
            Task,
            st.integers(0, 999_999_999),
            st.sampled_from(["synced", "gone", "asking"]),
            texts.filter(lambda text: " - " not in f"{text} "),
            texts.filter(lambda text: not text.startswith("- ")),
        ),
        st.builds(Way, st.none() | st.integers(0, 999_999_999), whole, whole, whole, whole, whole),
    )
)
def test_publications_read_as_they_were_written(publication: pydio.Publication) -> None:
    """Each kind of them."""
    assert pydio.decode(pydio.encode(publication)) == publication


@pytest.mark.parametrize(
    "frame, publication",
    [
        (b"status START", Status(True)),
        (b"status PAUSE", Status(False)),
        (b"status/Job Started", Status(True)),
        (b"status/Job Paused", Status(False)),
        (b"status STOP", None),
        (b"sync New folder created at a", Sync("New folder created at a")),
        (b"sync/MKDIR ============> a", Sync("MKDIR ============> a")),
        (b"ping/", Ping()),
        (b"ping", None),
        (b"general in pause", General("in pause")),
        (b"task 1 syncing http://localhost/x - /home/a - b", Task(1, "syncing", "http://localhost/x", "/home/a - b")),
        (b"progress 2 1/3 files 10/30 bytes 5 B/s", Way(2, 1, 3, 10, 30, 5)),
        (b"overall 1/3 files 10/30 bytes 5 B/s", Way(None, 1, 3, 10, 30, 5)),
        (b"progress 2 1/3 files", None),
        (b"progress x 1/3 files 10/30 bytes 5 B/s", None),
        (b"homestow.1/general {}", None),
        (b"\xffsync a", None),
    ],
)
def test_publications_of_all_generations(frame: bytes, publication: pydio.Publication | None) -> None:
    """Those with a blank after the topic, and those with a slash."""
    assert pydio.decode(frame) == publication


@given(st.text(max_size=50))
def test_clean_texts_are_one_line_without_commands(text: str) -> None:
    """Whatever a file is called (S98)."""
    clean = pydio.clean(text)
    assert len(clean) == len(text)
    assert not set(clean) & set("\x00\x1b\r\n\u202e\u2028\x85\ud800")
    assert pydio.clean(clean) == clean
    assert len(pydio.clean("x" * 10_000)) == pydio.MAX_TEXT


ports = st.integers(1, 65_535)


@given(st.builds(Ports, ports, ports, ports, st.just(0) | ports))
def test_port_files_read_as_they_were_written(told: Ports) -> None:
    """All that is open, and nothing of what is not."""
    text = pydio.encode_port_file(told)
    assert text.startswith("Pydio port config file \n")
    assert pydio.decode_port_file(text) == told
    assert ("flask_api" in text) == bool(told.api)


def test_the_bytes_of_a_port_file() -> None:
    """As the windows of May 2014 read it."""
    assert pydio.encode_port_file(Ports(5556, 5557, 5558)) == (
        "Pydio port config file \npub_socket:5556\ncommand_socket:5557\nwatch_socket:5558\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "pub_socket:1\n",
        "Pydio port config file \npub_socket:x\nother:5\nwatch_socket:99999\n:\n",
        "Pydio port config file",
    ],
)
def test_a_port_file_that_says_nothing(text: str) -> None:
    """Then the ports are the usual ones."""
    assert pydio.decode_port_file(text) == Ports(5556, 5557, 5558, 0)


@given(
    st.builds(
        Api,
        ports,
        st.from_regex("[A-Za-z0-9]{1,16}", fullmatch=True),
        st.from_regex("[A-Za-z0-9:]{1,16}", fullmatch=True),
    )
)
def test_api_files_read_as_they_were_written(api: Api) -> None:
    """One line with four parts."""
    assert pydio.decode_api_file(pydio.encode_api_file(api)) == api


@pytest.mark.parametrize(
    "text", ["", "pydio", "pydio:5556", "pydio:5556:user", "pydio:x:user:password", "other:5556:a:b", "pydio:99999:a:b"]
)
def test_an_api_file_that_is_none(text: str) -> None:
    """It is known as such; windows of that time crashed."""
    assert pydio.decode_api_file(text) is None


def test_words_of_the_file_are_those_of_the_value() -> None:
    """Every port has its line."""
    text = pydio.encode_port_file(Ports(1, 2, 3, 4))
    assert len(text.splitlines()) == 1 + len(fields(Ports))

"""The exchanges of docs/protocols/control.md, replayed as they stand there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq
from tests.fronts.control.rig import Bytes, Ear, Rig

from homestow.wire import pydio
from homestow.wire.control import GIVES, News
from homestow.wire.pydio import Ports

PAGE = Path(__file__).parents[3] / "docs" / "protocols" / "control.md"
REST = "\0rest"


def blocks(kind: str) -> list[list[str]]:
    """The lines of all blocks of a kind."""
    found = re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found
    return [block.splitlines() for block in found]


def documented(text: str) -> Any:
    """JSON with `…` for a value that is left out, or for the rest of an object or list."""
    text = re.sub(r"(: )…", rf'\1"{REST}"'.replace("\0", "\\\\u0000"), text)
    text = re.sub(r"(\{|, )…\}", r'\1"\\u0000rest": 0}', text)
    text = re.sub(r"(\[|, )…\]", r'\1"\\u0000rest"]', text)
    return json.loads(text)


def fits(shown: Any, real: Any) -> bool:
    """Whether what is shown is what came, but for what is left out."""
    match shown:
        case str() if shown == REST:
            return True
        case dict():
            if not isinstance(real, dict):
                return False
            wanted = {key: value for key, value in shown.items() if key != REST}
            return (REST in shown or wanted.keys() == real.keys()) and all(
                key in real and fits(value, real[key]) for key, value in wanted.items()
            )
        case list():
            open_end = bool(shown) and shown[-1] == REST
            wanted_list = shown[:-1] if open_end else shown
            if not isinstance(real, list) or (len(real) < len(wanted_list) if open_end else len(real) != len(shown)):
                return False
            return all(fits(one, other) for one, other in zip(wanted_list, real, strict=False))
        case _:
            return bool(shown == real)


def happen(rig: Rig, words: str) -> None:
    """Something in the service: `JOB KIND SIDE PATH`, `progress JOB FILES`, or `end`."""
    match words.split(" ", 3):
        case ["end"]:
            rig.hub.close()
        case ["progress", job, files]:
            rig.forward(1)
            rig.twin.progress(job, files_done=int(files))
        case [job, kind, side, path]:
            rig.twin.happen(job, kind, path, side=side)
        case _:
            raise AssertionError(words)


@pytest.mark.parametrize("lines", blocks("orders"), ids=["the first", "all others"])
def test_orders(rig: Rig, lines: list[str]) -> None:
    """Each order gives what the page shows."""
    with rig.orders() as socket:
        for asked, answered in zip(lines[::2], lines[1::2], strict=True):
            assert (asked[:2], answered[:2]) == ("> ", "< ")
            socket.send(asked[2:].encode())
            real = json.loads(socket.recv())
            assert fits(documented(answered[2:]), real), (asked, real)


def test_every_order_is_shown() -> None:
    """None is missing from the examples, nor from the table."""
    page = PAGE.read_text("utf-8")
    for order in GIVES:
        tag = order.__struct_config__.tag
        assert f'"order": "{tag}"' in page, tag
        assert f"`{tag}`" in page, tag


def test_news(rig: Rig) -> None:
    """Each publication comes when the page says, in its order."""
    ear = rig.hear("homestow.1/", to=rig.place.news)
    ear.flush()
    kinds = set()
    for line in [line for block in blocks("news") for line in block]:
        match line[:2]:
            case "* ":
                happen(rig, line[2:])
            case "> ":
                with rig.orders() as socket:
                    socket.send(line[2:].encode())
                    assert "gave" in json.loads(socket.recv())
            case _:
                topic, _, shown = line[2:].partition(" ")
                wanted = documented(shown)
                kinds.add(wanted["news"])
                for came in heard(ear):
                    real_topic, _, body = came.partition(" ")
                    if real_topic == topic and fits(wanted, json.loads(body)):
                        break
    assert kinds == {kind.__struct_config__.tag for kind in News.__subclasses__()}


def heard(ear: Ear) -> Iterator[str]:
    """All that comes; nothing for a while is a failure."""
    while True:
        yield ear.next()


def test_plain_words(plain: Rig) -> None:
    """Each plain order, its reply, and what is published, in order."""
    ear = plain.hear("status", "sync", "general", "task", "progress", "overall")
    ear.flush()
    reply = ""
    watch = plain.connect(zmq.REQ, plain.plain.watch)
    for line in [line for block in blocks("plain") for line in block]:
        match line[:2]:
            case "> ":
                reply = plain.say(line[2:])
            case "? ":
                watch.send(line[2:].encode())
                reply = watch.recv().decode()
            case "< ":
                assert reply == line[2:]
            case "* ":
                happen(plain, line[2:])
            case _:
                assert line[:2] == "! "
                assert any(came == line[2:] for came in heard(ear))


def test_bytes(plain: Rig) -> None:
    """The bytes on the wire, by a plain connection."""
    peers = []
    for line in [line for block in blocks("bytes") for line in block]:
        if found := re.fullmatch(r"C (REQ|SUB) (\w+)", line):
            peer = Bytes(getattr(plain.plain, found[2]), found[1])
            peers.append(peer)
            continue
        numbers, _, text = line[2:].partition("  ")
        data = bytes.fromhex(numbers) + text.encode()
        if line[0] == "C":
            peer.send(data)
        else:
            assert peer.read(len(data)) == data
    for each in peers:
        each.close()


def test_the_port_file() -> None:
    """As the page has it, the blank included."""
    assert blocks("port-file") == [pydio.encode_port_file(Ports(5556, 5557, 5558)).splitlines()]


def test_the_answers_are_what_the_types_say() -> None:
    """`documented` and `fits` are strict: what is not shown and not left out is missed."""
    assert fits(documented('{"a": …, "b": [1, …], …}'), {"a": 5, "b": [1, 2], "c": 3})
    assert not fits(documented('{"a": …}'), {"a": 5, "c": 3})
    assert not fits(documented('{"b": [1, 2]}'), {"b": [1]})
    assert not fits(documented('{"b": [1, …]}'), {"b": [2, 3]})
    assert msgspec.json.decode(msgspec.json.encode(Ports())) == {"pub": 5556, "command": 5557, "watch": 5558, "api": 0}

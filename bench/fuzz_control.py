"""Grammar of the control link for `bench.fuzz_codecs`: orders, answers and news as JSON, plain words of all generations, port files."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec

from homestow.wire import control, pydio
from homestow.wire.control import GIVES, Refused
from homestow.wire.pydio import Word

Text = Callable[[random.Random], str]
Made = tuple[bytes, Callable[[list[bytes]], list[object]], list[object]]

DECLARED = "still broken"
ODD: tuple[object, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    10**30,
    1.5,
    "",
    "/",
    "\x00",
    "x" * 5000,
    [],
    {},
    [[[]]],
    {"order": "quit"},
    "bi",
)


def order(chance: random.Random, text: Text) -> Made:
    """An order with fields of the right types, half of them with odd values in places."""
    kind = chance.choice(list(GIVES))
    fields = {"order": kind.__struct_config__.tag, **value_of(kind, chance, text)}
    if chance.random() < 0.5:
        spoil(fields, chance)
    data = json.dumps({"version": chance.choice((1, 1, 1, 2)), "order": fields}).encode()

    def read(pieces: list[bytes]) -> list[object]:
        found = control.decode_order(b"".join(pieces))
        if isinstance(found, Refused):
            return [DECLARED]
        again = control.decode_order(control.encode_order(found))
        return [found] if again == found else ["goes on"]

    return data, read, read([data])


def answer(chance: random.Random, text: Text) -> Made:
    """An answer to an order, or a refusal."""
    kind = chance.choice(list(GIVES))
    gave: Any = value(GIVES[kind], chance, text)
    if chance.random() < 0.3:
        gave = chance.choice(ODD)
    told = {"gave": gave} if chance.random() < 0.8 else {"refused": {"code": text(chance), "message": text(chance)}}
    data = json.dumps(told).encode()

    def read(pieces: list[bytes]) -> list[object]:
        try:
            return [control.decode_answer(b"".join(pieces), kind)]
        except ValueError:
            return [DECLARED]

    return data, read, read([data])


def news(chance: random.Random, text: Text) -> Made:
    """A publication."""
    kind = chance.choice(control.News.__subclasses__())
    fields = {"news": kind.__struct_config__.tag, **value_of(kind, chance, text)}
    if chance.random() < 0.3:
        spoil(fields, chance)
    data = f"homestow.1/{text(chance)} ".encode(errors="replace") + json.dumps(fields).encode()

    def read(pieces: list[bytes]) -> list[object]:
        try:
            found = control.decode_news(b"".join(pieces))
        except ValueError:
            return [DECLARED]
        if " " in control.topic_of(found):  # ids of jobs have no blanks; the service sees to it
            return [found]
        return [found] if control.decode_news(control.encode_news(found)) == found else ["goes on"]

    return data, read, read([data])


def plain(chance: random.Random, text: Text) -> Made:
    """A plain order, reply, publication or port file."""
    number = chance.choice((0, 1, 10**9, 10**30, -1))
    data = chance.choice((
        f"{chance.choice(list(Word)).value} {chance.choice((number, text(chance)))}", chance.choice(list(Word)).value,
        f"status{chance.choice(' /')}{chance.choice(('START', 'PAUSE', 'Job Started', text(chance)))}",
        f"sync{chance.choice(' /')}{text(chance)}", "ping/", f"general {text(chance)}",
        f"task {number} {chance.choice(('synced', 'gone', text(chance)))} {text(chance)} - {text(chance)}",
        f"progress {number} {number}/{number} files {number}/{number} bytes {number} B/s",
        f"Pydio port config file \npub_socket:{number}\n{text(chance)}:{number}\ncommand_socket:{text(chance)}",
        f"pydio:{chance.choice((number, 5556))}:{text(chance)}:{text(chance)}",
        json.dumps([f"{text(chance)} - {text(chance)}", chance.choice(ODD)]),
    )).encode(errors="surrogatepass")  # fmt: skip

    def read(pieces: list[bytes]) -> list[object]:
        frame = b"".join(pieces)
        found = pydio.decode_order(frame)
        if found is not None and pydio.decode_order(pydio.encode_order(found)) != found:
            return ["goes on"]
        told = pydio.decode(frame)
        if told is not None and pydio.decode(pydio.encode(told)) is None:
            return ["goes on"]
        try:
            listed = pydio.decode_jobs(frame)
        except ValueError:
            listed = []
        text = frame.decode("latin-1")
        known = [
            found,
            told,
            pydio.read_state(frame),
            pydio.decode_port_file(text),
            pydio.decode_api_file(text),
            listed,
        ]
        return known + ([] if found or told or listed else [DECLARED])

    return data, read, read([data])


def value_of(kind: Any, chance: random.Random, text: Text) -> dict[str, Any]:
    """Values for the fields of a message; those with a default are left out now and then."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        if field.required or chance.random() < 0.6:
            fields[field.encode_name] = value(field.type, chance, text)
    return fields


def value(kind: Any, chance: random.Random, text: Text) -> Any:
    """A value of a type, for JSON."""
    return _value(msgspec.inspect.type_info(kind), chance, text)


def _value(info: msgspec.inspect.Type, chance: random.Random, text: Text) -> Any:
    match info:
        case msgspec.inspect.StrType(pattern=pattern, min_length=least, max_length=most):
            found = "a" * (least or 0) + (text(chance) if pattern is None else "job")
            return found[:most]
        case msgspec.inspect.IntType(ge=least, le=most):
            return chance.choice((least or 0, least or 0, min(7 + (least or 0), most or 7), most or 7))
        case msgspec.inspect.FloatType(ge=least):
            return (least or 0) + chance.random()
        case msgspec.inspect.BoolType():
            return chance.random() < 0.5
        case msgspec.inspect.LiteralType(values=values):
            return chance.choice(values)
        case msgspec.inspect.VarTupleType(item_type=item):
            return [_value(item, chance, text) for _ in range(chance.choice((0, 1, 2)))]
        case msgspec.inspect.StructType(cls=kind):
            return value_of(kind, chance, text)
        case msgspec.inspect.UnionType(types=types):
            return _value(chance.choice(types), chance, text)
        case _:
            return None


def spoil(fields: dict[str, Any], chance: random.Random) -> None:
    """Put an odd value somewhere into a message."""
    name = chance.choice(list(fields))
    if isinstance(fields[name], dict) and fields[name] and chance.random() < 0.7:
        spoil(fields[name], chance)
    else:
        fields[name] = chance.choice(ODD)

"""Requests that nobody would send: made from the definitions at random, then damaged; the server has an answer for each.

More of them, over more time: `python -m tests.fronts.ditto.test_random 100000`.
"""

import random
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from tests.fronts.ditto.rig import Phone, Rig, open_rig

from homestow.server.fronts.ditto.limits import Rates
from homestow.wire.ditto import calls

NUMBERS: Final = (0, 1, -1, 2, 3, 7, 100, 1000, 1001, 65536, 1 << 30, (1 << 31) - 1, -(1 << 31))
LONG: Final = (*NUMBERS, 1 << 31, 1 << 50, (1 << 50) + 1, (1 << 63) - 1, -(1 << 63))
TEXTS: Final = (
    "", "a", "..", "/", "a/b", "../x", "a//b", ".homestow", "é", "\u0301", "a\0b", "a\nb", "\u202e", "CON", " ", "x" * 300,
    "x/" * 300, "🙂" * 70, "0" * 32, "z" * 32, "d41d8cd98f00b204e9800998ecf8427e", "00000000-0000-4000-8000-000000000000",
    "AAAAAAAAAAA", "f" * 36, "%00", "'; --", "x" * 70_000,
)  # fmt: skip
FINE: Final = frozenset(
    {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "OUT_OF_RANGE",
     "ALREADY_EXISTS", "PERMISSION_DENIED", "UNIMPLEMENTED"}
)  # fmt: skip
"""Statuses that tell a client what it did; the others tell of the server."""

ENDED: Final = frozenset({"DEADLINE_EXCEEDED", "CANCELLED"})
"""Of streams, whose time was short: whose clock was first decides which."""


class Maker:
    """Makes requests; what the server answered comes back in later ones."""

    def __init__(self, seed: int, known: list[str]) -> None:
        self.chance = random.Random(seed)
        self.known = known

    def message(self, kind: type[Message]) -> bytes:
        """Bytes that may be a message of this kind."""
        chance = self.chance
        if chance.random() < 0.05:
            return chance.randbytes(chance.choice((0, 1, 2, 9, 100, 5000)))
        made = kind()
        self._fill(made, kind.DESCRIPTOR)
        data = bytearray(made.SerializeToString())
        if data and chance.random() < 0.25:
            for _ in range(chance.choice((1, 1, 2, 9))):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.05:
            data += chance.choice((b"\x0b" * 500, b"\xff" * 11, b"\x0a\xff\xff\xff\xff\x0f", bytes(data), b"\x00"))
        return bytes(data)

    def _fill(self, message: Message, kind: Any) -> None:
        for field in kind.fields:
            if self.chance.random() < 0.75:
                if field.is_repeated:
                    getattr(message, field.name).extend(
                        self._value(field) for _ in range(self.chance.choice((0, 1, 3, 20)))
                    )
                elif field.message_type is not None:
                    inner = getattr(message, field.name)
                    inner.SetInParent()
                    self._fill(inner, field.message_type)
                else:
                    setattr(message, field.name, self._value(field))

    def _value(self, field: FieldDescriptor) -> Any:
        chance = self.chance
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_BOOL:
                return chance.random() < 0.5
            case FieldDescriptor.CPPTYPE_ENUM:
                return chance.choice((0, 1, 2, 3, 4, 5, 6, 7, -1, 99, (1 << 31) - 1))
            case FieldDescriptor.CPPTYPE_INT32:
                return chance.choice(NUMBERS if chance.random() < 0.3 else (0, 0, 1, 2))
            case FieldDescriptor.CPPTYPE_INT64:
                return chance.choice(LONG if chance.random() < 0.5 else (1, 2, 3, 100, 5000))
            case _ if field.type == FieldDescriptor.TYPE_BYTES:
                return chance.randbytes(chance.choice((0, 1, 1, 2, 2, 3, 100, 5000)))
        if field.name.endswith(("uuid", "token")) and chance.random() < 0.8:
            return chance.choice(self.known)
        if field.name == "md5" and chance.random() < 0.8:
            return ""
        if field.name == "name" and chance.random() < 0.5:
            return f"file {chance.randrange(1000)}"
        return chance.choice(TEXTS)


class Crowd:
    """Several threads that send such requests over connections of their own."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.seed = seed
        self.token = rig.login().access_token
        self.told: Counter[tuple[str, str]] = Counter()
        self.wrong: list[str] = []
        self.known: list[str] = [rig.client.id, "anna", "ben"]
        self.lock = threading.Lock()

    def run(self, count: int, threads: int = 4) -> None:
        """So many requests."""
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda at: self._some(count // threads, self.seed * 1000 + at), range(threads)))

    def _some(self, count: int, seed: int) -> None:
        maker, phone = Maker(seed, self.known), Phone(self.rig.address, self.token)
        for _ in range(count):
            call = maker.chance.choice(calls.CALLS)
            if call.streams and maker.chance.random() < 0.8:
                call = calls.CREATE_FILE
            status = self._watch(maker, phone) if call.streams else self._one(maker, phone, call)
            with self.lock:
                self.told[call.method, status] += 1
                if status not in FINE and not (call.streams and status in ENDED):
                    self.wrong.append(f"{call.method} {status}")
        phone.close()

    def _one(self, maker: Maker, phone: Phone, call: calls.Call[Any, Any]) -> str:
        path = call.path if maker.chance.random() < 0.97 else call.path + maker.chance.choice(("x", "/", "%20"))
        raw = maker.message(call.asks)
        try:
            answer = phone.raw(path, raw)
        except grpc.RpcError as error:
            status: str = error.code().name
            return status
        self._learn(maker, call.read_answer(answer))
        return "OK"

    def _learn(self, maker: Maker, answer: Message) -> None:
        for name in ("uuid", "next_page_token"):
            if (value := getattr(answer, name, "")) and maker.chance.random() < 0.1:
                with self.lock:
                    if len(self.known) > 200:
                        del self.known[maker.chance.randrange(3, len(self.known))]
                    self.known.append(value)

    def _watch(self, maker: Maker, phone: Phone) -> str:
        asked = [maker.message(calls.WATCH.asks) for _ in range(maker.chance.choice((0, 1, 2, 5, 40)))]
        patience = maker.chance.choice((0.01, 0.05, 0.3))
        try:
            for number, _ in enumerate(phone.raw_stream(calls.WATCH.path, asked, patience)):
                if number > 20:
                    return "OK"
        except grpc.RpcError as error:
            status: str = error.code().name
            return status
        return "OK"


def test_random_requests(tmp_path: Path) -> None:
    """No failure of the server's among the answers to a few thousand; then it works as before."""
    with open_rig(tmp_path) as rig:
        rig.front.desk.rates = Rates(time.monotonic, 1e9, 1e9)
        crowd = Crowd(rig, 1)
        crowd.run(3000)
        assert crowd.wrong == []
        assert {method for method, _ in crowd.told} == {call.method for call in calls.CALLS}
        assert sum(count for (_, status), count in crowd.told.items() if status == "OK") > 150
        phone = rig.anna()
        assert phone.get(phone.put("after.bin", b"as before", 4)).written.seconds


def _memory_mb() -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place, open_rig(Path(place)) as made:
        made.front.desk.rates = Rates(time.monotonic, 1e9, 1e9)
        crowd, step = Crowd(made, 2), int(sys.argv[1]) // 10
        for number in range(10):
            crowd.seed += 1
            crowd.run(step)
            sys.stdout.write(f"{(number + 1) * step}: {_memory_mb():.0f} MB, {Counter(crowd.wrong)}\n")
            sys.stdout.flush()
        sys.stdout.writelines(f"{key}: {count}\n" for key, count in sorted(crowd.told.items()))

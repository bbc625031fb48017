"""Every call of the table: it goes well, and it fails in each way that it documents, with the documented status."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from tests.fronts.api.asks import ELSEWHERE, FAILURES, GOOD, NEEDS, UNKNOWN, UPLOADS, fresh, send
from tests.fronts.api.rig import Answer, Rig, is_ours
from tests.fronts.api.rig import rig as open_rig

from homestow.server.rules.access import Rights
from homestow.values import errors
from homestow.values.faults import arm
from homestow.wire.api import Body
from homestow.wire.api_status import status_of
from homestow.wire.calls import BY_NAME, CALLS, Call

BY_CALL = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A server that is open for sign-up."""
    with open_rig(tmp_path_factory.mktemp("calls"), signup_open=True) as made:
        yield made


@pytest.fixture(autouse=True)
def _later(shared: Rig) -> None:
    """Tries to guess passwords in one test are forgotten in the next."""
    shared.clock.ns += 24 * 3600 * 1_000_000_000


@BY_CALL
def test_goes_well(shared: Rig, call: Call) -> None:
    """The documented status and a body of the documented form, with the epoch, for those who may do everything."""
    by = "ada" if call.operator else "anna"
    user = None if call.open else by
    token = shared.services.accounts.log_in(by, "correct horse battery", "test", "").token if user else None
    answer = send(shared, call, GOOD[call.name](shared, by), user=user, token=token)
    is_ours(answer)
    assert answer.status == call.status, answer
    if call.gives is Body.NONE:
        assert answer.body == b""
    elif isinstance(call.gives, type):
        assert answer.headers["content-type"] == "application/json"
        msgspec.json.decode(answer.body, type=call.gives)


GETS = {call.path for call in CALLS if call.method == "GET"}


@BY_CALL
def test_head_says_what_get_would(shared: Rig, call: Call) -> None:
    """HEAD answers as GET does, without a body; where there is no GET it is no method."""
    asked = GOOD[call.name](shared, "anna")
    answer = shared.ask("HEAD", asked.path)
    assert answer.body == b""
    if call.method == "GET":
        assert answer.status == call.status
        assert int(answer.headers["content-length"]) == len(shared.ask("GET", asked.path).body)
    elif call.path not in GETS:
        assert answer.status == 405
        assert call.method in answer.headers["allow"]


def fail(rig: Rig, name: str, code: str) -> Answer:
    """Make a call fail in this way: by its own recipe, or as the table says for all calls of its kind."""
    call = BY_NAME[name]
    if (recipe := FAILURES.get((name, code))) is not None:
        return recipe(rig)
    asked = GOOD[name](rig, "ben" if name in UPLOADS else "anna")
    match code:
        case "not-found" | "forbidden" if name in UPLOADS:
            rig.roots.give(rig.root, rig.account("ben"), Rights.READ if code == "forbidden" else Rights.NONE)
            try:
                return send(rig, call, asked, user="ben")
            finally:
                rig.roots.give(rig.root, rig.account("ben"), Rights.WRITE)
        case "not-found":
            asked.path = re.sub(r"/(nodes|roots|trash|devices)/\d+", rf"/\1/{UNKNOWN}", asked.path)
            if name == "begin_upload":
                asked.body = {"parent": UNKNOWN, "name": "x", "size": 1}
            elif name == "resolve":
                asked.path = f"/roots/{rig.root}/path?path=nothing/here"
            return send(rig, call, asked)
        case "forbidden":
            return send(rig, call, asked, user="cora" if NEEDS[name] is Rights.WRITE else "ben")
        case "key-reused":
            asked.headers["Idempotency-Key"] = key = fresh("key")
            made = rig.ask("POST", f"/nodes/{rig.top}/folders", {"name": fresh()}, headers={"Idempotency-Key": key})
            assert made.status == 201
            return send(rig, call, asked)
        case "upload-gone":
            asked.path = re.sub(r"/uploads/[0-9a-f]+", "/uploads/" + "0" * 32, asked.path)
            return send(rig, call, asked)
        case "storage-full":
            with full_disk("upload.block_received" if name == "put_block" else "committer.staged_durable"):
                return send(rig, call, asked, user="ben" if name in UPLOADS else "anna")
        case _:
            raise AssertionError(f"nobody knows how {name} fails with {code}")


@contextmanager
def full_disk(at: str) -> Iterator[None]:
    """At this point of persistence the disk has no more room."""

    def act(point: str) -> None:
        if point == at:
            raise errors.StorageFull("The disk is full.")

    arm(act)
    try:
        yield
    finally:
        arm(None)


DOCUMENTED = [(call.name, kind.code) for call in CALLS if not call.operator for kind in call.fails]


@pytest.mark.parametrize("name,code", [pair for pair in DOCUMENTED if pair not in ELSEWHERE], ids=lambda value: value)
def test_fails_as_documented(shared: Rig, name: str, code: str) -> None:
    """Each documented failure can happen, and bears its code, its status and nothing of our inside."""
    answer = fail(shared, name, code)
    assert (answer.status, answer.code) == (status_of(code), code), answer
    if answer.headers:
        is_ours(answer)


def test_all_recipes_are_for_documented_failures() -> None:
    """Nothing is listed that no call says of itself."""
    assert {*FAILURES, *ELSEWHERE} <= set(DOCUMENTED)


@BY_CALL
def test_another_life_of_the_store_is_refused(shared: Rig, call: Call) -> None:
    """R23: a request that means another epoch has no effect and is told to list anew; open calls answer in any."""
    asked = GOOD[call.name](shared, "anna")
    before = shared.services.changes.cursor()
    asked.headers["Homestow-Epoch"] = "f" * 32
    answer = send(shared, call, asked, user="ada" if call.operator else "anna")
    if call.open:
        assert answer.status == call.status
    else:
        assert (answer.status, answer.code) == (410, "cursor-gone")
        assert shared.services.changes.cursor() == before

"""Login, files and blocks over real connections."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from tests.fronts.ditto.rig import PASSWORD, Rig, open_rig

from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb

F, B = pb.DittoFile, pb.DittoFileBlock
DATA = random.Random(7).randbytes(3_500_000)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One house for all."""
    with open_rig(tmp_path_factory.mktemp("ditto")) as rig:
        yield rig


def refused(code: grpc.StatusCode, use: object) -> grpc.RpcError:
    """Expect a status."""
    assert callable(use)
    with pytest.raises(grpc.RpcError) as caught:
        use()
    error = caught.value
    assert error.code() is code, (error.code(), error.details())
    return error


def test_from_login_to_a_plain_file(rig: Rig) -> None:
    """Shuffled blocks over several calls at once, with repeats: an ordinary file, at once."""
    told = rig.login()
    assert (told.token_type, told.expires_in > 0, bool(told.refresh_token)) == ("Bearer", True, True)
    phone = rig.phone(told.access_token)
    made = phone.create("trip/film.bin", DATA)
    assert (made.status, made.name, made.size, made.HasField("created")) == (
        F.CREATED,
        "trip/film.bin",
        len(DATA),
        True,
    )
    size = 1 << 20
    numbers = [*range(4), 1, 3]
    random.Random(3).shuffle(numbers)
    with ThreadPoolExecutor(4) as pool:
        for answer in pool.map(lambda no: phone.send(made.uuid, no, DATA[no * size : (no + 1) * size]), numbers):
            assert answer.status in (B.UPLOADED, B.WRITTEN)
            assert answer.block == b""
    now = phone.get(made.uuid)
    assert (now.status, now.HasField("written")) == (F.WRITTEN, True)
    assert rig.on_disk("anna", "Ditto", "trip", "film.bin").read_bytes() == DATA


def test_bare_names_are_the_same(rig: Rig) -> None:
    """Clients made of the printed services without a package get through."""
    phone = rig.phone(rig.login().access_token, bare=True)
    assert phone.get(phone.put("bare.txt", b"x")).status == F.WRITTEN


@pytest.mark.parametrize("wrong", ["client_id", "client_secret", "username", "password"])
def test_wrong_logins_are_told_alike(rig: Rig, wrong: str) -> None:
    """Not which part was wrong."""
    given = {"client_id": rig.client.id, "client_secret": rig.client.secret, "username": "anna", "password": PASSWORD}
    given[wrong] = "ben" if wrong == "username" else "nonsense"
    if wrong == "username":
        given["password"] = "another horse"
    error = refused(
        grpc.StatusCode.UNAUTHENTICATED,
        lambda: rig.phone(None).call(calls.AUTHENTICATE, pb.AuthenticateRequest(**given)),
    )
    assert error.details() == "Unknown client or user, or wrong secret or password."


def test_too_many_users(rig: Rig) -> None:
    """A client with one user: a second one is refused, the first may come again."""
    client = rig.ditto.auth.add_client("small", 1)
    rig.login("anna", client)
    rig.login("anna", client)
    refused(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: rig.login("ben", client))


@pytest.mark.parametrize(
    "call", [call for call in calls.CALLS if not call.open and not call.streams], ids=lambda c: c.method
)
@pytest.mark.parametrize("token", [None, "", "nonsense", "a.b.c"])
def test_nothing_is_open_by_oversight(rig: Rig, call: calls.Call, token: str | None) -> None:  # type: ignore[type-arg]
    """Without a login nothing is answered (S80)."""
    refused(grpc.StatusCode.UNAUTHENTICATED, lambda: rig.phone(token).call(call, call.asks()))


def test_what_is_not_yours_is_not_there(rig: Rig) -> None:
    """Byte for byte like what never was, whatever is asked."""
    mine, ben = rig.anna().create("mine", b"x").uuid, rig.ben()
    told = set()
    for uuid in (mine, "00000000-0000-4000-8000-000000000000", "", "x", "é" * 36):
        for use in (
            ben.get,
            lambda uuid: ben.send(uuid, 0, b"x"),
            lambda uuid: ben.call(calls.LIST_FILE_BLOCKS, pb.ListFileBlocksRequest(file_uuid=uuid)),
            lambda uuid: ben.call(calls.DELETE_FILE, pb.DeleteFileRequest(uuid=uuid)),
        ):
            error = refused(grpc.StatusCode.NOT_FOUND, lambda use=use, uuid=uuid: use(uuid))
            told.add((error.details(), tuple(error.trailing_metadata())))
    assert len(told) == 1


WRONG = {
    "no name": lambda phone: phone.create("", b"x"),
    "a name that climbs": lambda phone: phone.create("../x", b"x"),
    "an md5 that is none": lambda phone: phone.create("x", b"x", "zz"),
    "a size below 0": lambda phone: phone.call(
        calls.CREATE_FILE, pb.CreateFileRequest(file=pb.DittoFile(name="x", size=-1))
    ),
    "a wrong block": lambda phone: phone.send(phone.create("x", b"xy").uuid, 0, b"xy", "0" * 32),
    "a block beyond the end": lambda phone: phone.send(phone.create("x", b"xy").uuid, 1, b"xy"),
    "a block below 0": lambda phone: phone.send(phone.create("x", b"xy").uuid, -1, b"x"),
    "a wrong whole": lambda phone: phone.send(phone.create("x", b"xy", "0" * 32).uuid, 0, b"xy"),
    "another size than it says": lambda phone: phone.call(
        calls.UPLOAD_FILE_BLOCK,
        pb.UploadFileBlockRequest(
            file_uuid=phone.create("x", b"xy").uuid, block=pb.DittoFileBlock(block_no=0, block_size=9, block=b"xy")
        ),
    ),
    "a page below 0": lambda phone: phone.call(calls.LIST_FILES, pb.ListFilesRequest(page_size=-1)),
    "a token of somebody": lambda phone: phone.call(calls.LIST_FILES, pb.ListFilesRequest(page_token="zzz")),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_makes_no_sense(rig: Rig, wrong: str) -> None:
    """Is refused as an argument, in words that say what is wrong."""
    phone = rig.anna()
    error = refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: WRONG[wrong](phone))
    assert len(error.details() or "") > 10


def test_other_bytes_for_a_written_file(rig: Rig) -> None:
    """The same block again is harmless, another one is refused."""
    phone = rig.anna()
    uuid = phone.put("done.txt", b"hello")
    assert phone.send(uuid, 0, b"hello").status == B.WRITTEN
    refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: phone.send(uuid, 0, b"other"))


def test_lists_and_deleting(rig: Rig) -> None:
    """Pages, stages, blocks by number; deleted ones are gone from all of them."""
    phone = rig.phone(rig.login("ben").access_token)
    made = [phone.create(f"{number}", b"abcdef").uuid for number in range(5)]
    phone.send(made[1], 1, b"cd")
    phone.send(made[2], 0, b"abcdef")
    seen: list[str] = []
    token = ""
    while True:
        page = phone.call(calls.LIST_FILES, pb.ListFilesRequest(page_token=token, page_size=2))
        seen += [file.uuid for file in page.files]
        token = page.next_page_token
        if not token:
            break
    assert [uuid for uuid in seen if uuid in made] == made
    for status, expected in ((F.CREATED, [0, 3, 4]), (F.UPLOADING, [1]), (F.WRITTEN, [2])):
        page = phone.call(calls.LIST_FILES, pb.ListFilesRequest(status=status, page_size=1000))
        assert [file.uuid for file in page.files if file.uuid in made] == [made[at] for at in expected]
    blocks = phone.call(calls.LIST_FILE_BLOCKS, pb.ListFileBlocksRequest(file_uuid=made[1], page_size=2))
    assert [(block.block_no, block.status) for block in blocks.blocks] == [(0, B.NONE), (1, B.UPLOADED)]
    assert blocks.next_block_no == 2
    for at in (1, 2):
        phone.call(calls.DELETE_FILE, pb.DeleteFileRequest(uuid=made[at]))
        refused(grpc.StatusCode.NOT_FOUND, lambda at=at: phone.get(made[at]))
    assert not rig.on_disk("ben", "Ditto", "2").exists()


def test_large_and_empty(rig: Rig) -> None:
    """A size above 2 GiB is taken; an empty file is written at once; a message over 8 MiB is refused and costs nothing else."""
    phone = rig.anna()
    file = pb.DittoFile(name="huge", size=5_000_000_000)
    assert phone.call(calls.CREATE_FILE, pb.CreateFileRequest(file=file)).size == 5_000_000_000
    assert phone.create("empty", b"").status == F.WRITTEN
    uuid = phone.create("x", bytes(9 << 20)).uuid
    refused(grpc.StatusCode.RESOURCE_EXHAUSTED, lambda: phone.send(uuid, 0, bytes(9 << 20)))
    assert phone.send(uuid, 0, bytes(calls.MAX_BLOCK_BYTES)).status == B.UPLOADED


def test_a_login_ends_everywhere(rig: Rig) -> None:
    """With its device, at once."""
    phone = rig.anna()
    phone.create("a", b"x")
    for device in rig.house.services.accounts.devices(rig.who()):
        rig.house.services.accounts.remove_device(rig.who(), device.id)
    refused(grpc.StatusCode.UNAUTHENTICATED, lambda: phone.create("b", b"x"))


def test_going_on_after_a_restart(tmp_path: Path) -> None:
    """What was acknowledged stays; the rest is sent; tokens still count."""
    with open_rig(tmp_path) as rig:
        token = rig.login().access_token
        phone = rig.phone(token)
        uuid = phone.create("a.bin", b"abcdef").uuid
        phone.send(uuid, 1, b"cd")
    with open_rig(tmp_path) as rig:
        phone = rig.phone(token)
        blocks = phone.call(calls.LIST_FILE_BLOCKS, pb.ListFileBlocksRequest(file_uuid=uuid)).blocks
        assert [block.block_no for block in blocks if block.status == B.UPLOADED] == [1]
        for no in (0, 2):
            phone.send(uuid, no, b"abcdef"[no * 2 : no * 2 + 2])
        assert rig.on_disk("anna", "Ditto", "a.bin").read_bytes() == b"abcdef"

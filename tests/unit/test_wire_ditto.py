"""The Ditto definitions: the printed numbers, the worked bytes, and generated code that is the definitions'."""

import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf.message import Message

from homestow.wire.ditto import ditto_pb2 as pb
from homestow.wire.ditto.calls import CALLS, MAX_BLOCK_BYTES, MAX_MESSAGE_BYTES, UPLOAD_FILE_BLOCK

SOURCES = Path(__file__).parents[2] / "src"
HERE = Path("homestow/wire/ditto")


def test_the_generated_code_is_that_of_the_definitions(tmp_path: Path) -> None:
    """Whoever changes the definitions makes the code anew (scripts/make_ditto.sh)."""
    made = [sys.executable, "-m", "grpc_tools.protoc", "-I", str(SOURCES), f"--python_out={tmp_path}"]
    subprocess.run([*made, f"--pyi_out={tmp_path}", str(HERE / "ditto.proto")], check=True, cwd=SOURCES)
    for name in ("ditto_pb2.py", "ditto_pb2.pyi"):
        assert (tmp_path / HERE / name).read_text() == (SOURCES / HERE / name).read_text(), name


WORKED: list[tuple[Message, str]] = [
    (
        pb.AuthenticateRequest(client_id="c", client_secret="s", username="u", password="p"),
        "0A 01 63 12 01 73 1A 01 75 22 01 70",
    ),
    (
        pb.CreateFileRequest(file=pb.DittoFile(name="a.bin", size=5, type="bin", md5="m")),
        "0A 11 12 05 61 2E 62 69 6E 18 05 22 03 62 69 6E 2A 01 6D",
    ),
    (
        pb.UploadFileBlockRequest(
            file_uuid="u1",
            block=pb.DittoFileBlock(
                block_no=1, block_size=4, md5="ab", status=pb.DittoFileBlock.UPLOADED, block=b"DATA"
            ),
        ),
        "0A 02 75 31 12 10 10 01 18 04 22 02 61 62 28 03 32 04 44 41 54 41",
    ),
    (
        pb.WatchRequest(
            create_request=pb.WatchCreateRequest(
                watch_uuid="w",
                watches=[pb.WatchCreateRequest.FILE_WRITTEN, pb.WatchCreateRequest.FILE_TOUPLOAD_COMMANDED],
            )
        ),
        "0A 08 0A 01 77 9A 06 02 02 05",
    ),
]


@pytest.mark.parametrize("message,worked", WORKED, ids=lambda each: type(each).__name__)
def test_worked_bytes(message: Message, worked: str) -> None:
    """Messages have the bytes that the printed numbers give."""
    assert message.SerializeToString() == bytes.fromhex(worked)
    assert type(message).FromString(bytes.fromhex(worked)) == message


NUMBERS = {
    "AuthenticateRequest": "client_id=1 client_secret=2 username=3 password=4",
    "AuthenticateResponse": "access_token=1 expires_in=2 refresh_token=3 token_type=4",
    "DittoFile": "uuid=1 name=2 size=3 type=4 md5=5 status=6 created=7 written=8",
    "ListFilesRequest": "page_token=1 page_size=2 status=3",
    "ListFilesResponse": "files=1 next_page_token=2",
    "DittoFileBlock": "block_no=2 block_size=3 md5=4 status=5 block=6",
    "ListFileBlocksRequest": "file_uuid=1 block_no=2 page_size=3 status=4",
    "ListFileBlocksResponse": "blocks=1 next_block_no=2",
    "UploadFileBlockRequest": "file_uuid=1 block=2",
    "WatchRequest": "create_request=1 cancel_request=11",
    "WatchCreateRequest": "watch_uuid=1 watches=99",
    "WatchResponse": "watch_uuid=1 created=3 cancelled=4 events=11",
    "Event": "file_written_event=1 file_uploaded_event=2 fileblock_uploaded_event=3 file_toupload_commanded_event=4 "
    "fileblock_toupload_commanded_event=5 event_uuid=6 created=7",
    "FileWrittenEvent": "file_uuid=1 file_size=2 md5=3 created=4",
    "FileUploadedEvent": "file_uuid=1 file_size=2 md5=3 uploaded=4",
    "FileblockUploadedEvent": "file_uuid=1 block_no=2 block_size=3 uploaded=4 md5=5",
    "FileTouploadCommandedEvent": "start=1 end=2",
    "FileblockTouploadCommandedEvent": "file_uuid=1 block_no=2 block_size=3",
}


@pytest.mark.parametrize("name", NUMBERS)
def test_the_printed_numbers_are_kept(name: str) -> None:
    """Other programs are made from the printed numbers."""
    fields = pb.DESCRIPTOR.message_types_by_name[name].fields
    assert " ".join(f"{field.name}={field.number}" for field in fields) == NUMBERS[name]


def test_every_method_of_the_definitions_is_a_call() -> None:
    """The table of calls and the definitions are about the same methods and messages."""
    defined = {
        (f"/{service.full_name}/{method.name}", method.input_type.full_name, method.output_type.full_name)
        for service in pb.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert {(call.path, call.asks.DESCRIPTOR.full_name, call.answers.DESCRIPTOR.full_name) for call in CALLS} == defined


def test_the_largest_block_fits_into_a_message() -> None:
    """A block of the size that is told to be the largest can be sent."""
    block = pb.DittoFileBlock(
        block_no=2**31 - 1, block_size=MAX_BLOCK_BYTES, md5="0" * 32, block=bytes(MAX_BLOCK_BYTES)
    )
    asked = pb.UploadFileBlockRequest(file_uuid="0" * 36, block=block)
    assert len(asked.SerializeToString()) <= MAX_MESSAGE_BYTES
    assert UPLOAD_FILE_BLOCK.read_ask(asked.SerializeToString()) == asked

"""The unary calls: login, and files with their blocks."""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from homestow.server.border import Lane
from homestow.server.fronts.ditto.binding import Context, DittoDesk, address_of
from homestow.server.fronts.ditto.messages import (
    block_message,
    block_stage,
    file_message,
    file_stage,
    md5_given,
    page_size,
    page_token,
    read_page_token,
)
from homestow.server.service.ditto import Ditto
from homestow.server.service.ditto_auth import Caller, Tokens
from homestow.values.errors import BadRequest, TooLarge
from homestow.wire.ditto import calls
from homestow.wire.ditto import ditto_pb2 as pb


def tokens_message(tokens: Tokens) -> pb.AuthenticateResponse:
    """What a login gives."""
    return pb.AuthenticateResponse(
        access_token=tokens.access,
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh,
        token_type=calls.BEARER,
    )


def _create(ditto: Ditto, caller: Caller, request: pb.CreateFileRequest) -> pb.DittoFile:
    file = request.file
    if not file.name:
        raise BadRequest("A file needs a name.")
    if len(file.name.encode()) > calls.MAX_NAME_BYTES:
        raise BadRequest(f"A name has at most {calls.MAX_NAME_BYTES} bytes.")
    view = ditto.files.create(caller.who, file.name, file.size, md5_given(file.md5), file.type)
    return file_message(view)


def _get(ditto: Ditto, caller: Caller, request: pb.GetFileRequest) -> pb.DittoFile:
    return file_message(ditto.files.get(caller.who, request.uuid))


def _list(ditto: Ditto, caller: Caller, request: pb.ListFilesRequest) -> pb.ListFilesResponse:
    after, limit = read_page_token(request.page_token), page_size(request.page_size)
    views, following = ditto.files.page(caller.who, after, limit, file_stage(request))
    return pb.ListFilesResponse(files=map(file_message, views), next_page_token=page_token(following))


def _blocks(ditto: Ditto, caller: Caller, request: pb.ListFileBlocksRequest) -> pb.ListFileBlocksResponse:
    if request.block_no < 0:
        raise BadRequest("Blocks are counted from 0 on.")
    limit, stage = page_size(request.page_size), block_stage(request)
    views, following = ditto.files.blocks(caller.who, request.file_uuid, request.block_no, limit, stage)
    return pb.ListFileBlocksResponse(blocks=map(block_message, views), next_block_no=following)


def _delete(ditto: Ditto, caller: Caller, request: pb.DeleteFileRequest) -> Empty:
    ditto.files.delete(caller.who, request.uuid)
    return Empty()


def unary_handlers(desk: DittoDesk) -> Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]:
    """The handlers by service and method."""

    def upload(ditto: Ditto, caller: Caller, request: pb.UploadFileBlockRequest) -> pb.DittoFileBlock:
        block = request.block
        data = block.block
        if len(data) > calls.MAX_BLOCK_BYTES:
            raise TooLarge(f"A block has at most {calls.MAX_BLOCK_BYTES} bytes.", limit=calls.MAX_BLOCK_BYTES)
        if block.block_size not in (0, len(data)):
            raise BadRequest(f"block_size is {block.block_size}, and {len(data)} bytes came.")
        try:
            view = ditto.files.upload(caller.who, request.file_uuid, block.block_no, data, md5_given(block.md5))
        finally:
            desk.counts.block_bytes += len(data)
        return block_message(view)

    async def authenticate(request: pb.AuthenticateRequest, context: Context) -> pb.AuthenticateResponse:
        address = address_of(context.peer())

        def work() -> Tokens:
            return desk.ditto.auth.log_in(
                request.client_id, request.client_secret, request.username, request.password, address
            )

        return tokens_message(await desk.border.apart(Lane.LOGIN, work))

    made: dict[calls.Call[Any, Any], grpc.RpcMethodHandler[Any, Any]] = {
        calls.AUTHENTICATE: desk.open(calls.AUTHENTICATE, authenticate),
        calls.CREATE_FILE: desk.unary(calls.CREATE_FILE, _create),
        calls.GET_FILE: desk.unary(calls.GET_FILE, _get),
        calls.LIST_FILES: desk.unary(calls.LIST_FILES, _list),
        calls.LIST_FILE_BLOCKS: desk.unary(calls.LIST_FILE_BLOCKS, _blocks),
        calls.DELETE_FILE: desk.unary(calls.DELETE_FILE, _delete),
        calls.UPLOAD_FILE_BLOCK: desk.unary(calls.UPLOAD_FILE_BLOCK, upload),
    }
    return {f"{call.service}/{call.method}": handler for call, handler in made.items()}

"""The OpenAPI 3.1 document of the native API, made from the table in `wire.calls`.

python -m homestow.wire.openapi                    prints it
python -m homestow.wire.openapi --write FILE       writes it
python -m homestow.wire.openapi --check FILE       fails (1) when FILE is not what would be written
"""

import argparse
import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from homestow.values import errors
from homestow.values.nodes import Node
from homestow.wire.api import EPOCH_HEADER, KEY_HEADER, PREFIX, Body, Problem, Wire
from homestow.wire.api_status import status_of
from homestow.wire.calls import CALLS, Call, Param

Json = dict[str, Any]

_REF: Final = "#/components/schemas/{name}"
_BIGGEST: Final = 2**63 - 1
_EPOCH_FORM: Final = "^[0-9a-f]{32}$"
_ANY: Final = (errors.BadRequest, errors.Busy, errors.StorageFailed, errors.ServerError)
"""What any call may answer; where a token is needed `_KNOWN` comes on top."""

_KNOWN: Final = (errors.LoginNeeded, errors.CursorGone)

_OF_A_BODY: Final = {
    408: "The body came in too slowly.",
    413: "The body is too large.",
    415: "The body is of another type, or compressed.",
}

_CONDITIONAL: Final[dict[int, tuple[str, bool]]] = {
    206: ("The bytes asked for: one range, or several as `multipart/byteranges`.", True),
    304: ("Nothing newer than the condition says.", False),
    412: ("The condition of the request does not hold.", False),
    416: ("No byte of the content is in the ranges asked for.", False),
}

_HEADERS: Final = {
    "Range": "Bytes wanted, such as `bytes=0-1023`; at most 16 ranges.",
    "If-Range": "Give ranges only while the content has this `ETag`, else all of it.",
    "If-None-Match": "Answer 304 when the content has this `ETag`.",
    "If-Match": "Answer 412 unless the content has this `ETag`.",
    "If-Modified-Since": "Answer 304 unless the content is newer.",
    "If-Unmodified-Since": "Answer 412 when the content is newer.",
}

_INTRODUCTION: Final = f"""\
Files, folders and everything about them on one Homestow server.

Numbers are integers up to 64 bits, times nanoseconds since 1970 UTC, sizes bytes, digests BLAKE3 in lower-case hexadecimal.
A failing call answers a `Problem`; its `code` is stable and `facts` hold what a program may want to know. Every call that
changes something takes an `{KEY_HEADER}`: the same key with the same request has one effect and gives the same answer.
Every answer bears `{EPOCH_HEADER}`, the life of the store: after a restore from a backup it is another one, and nothing
remembered from before may be taken for a deletion.
"""


def document() -> Json:
    """The whole document, as plain values for JSON."""
    messages: list[Any] = [Problem]
    for call in CALLS:
        for message in (call.takes, call.gives):
            if not isinstance(message, Body) and message not in messages:
                messages.append(message)
    _, schemas = msgspec.json.schema_components(messages, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Homestow",
            "version": "1",
            "summary": "The native API of a Homestow server.",
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": {name: _tidy(schema) for name, schema in sorted(schemas.items())},
            "responses": {"Problem": {"description": "What went wrong.", **_content(Problem)}},
            "headers": {
                "Epoch": {
                    "description": "The life of the store, 32 hexadecimal digits.",
                    "schema": {"type": "string", "pattern": _EPOCH_FORM},
                }
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "The token that `login` gave."}
            },
        },
    }


def _tidy(value: Any) -> Any:
    """A schema with its descriptions unindented."""
    if isinstance(value, dict):
        return {
            key: inspect.cleandoc(part) if key == "description" and isinstance(part, str) else _tidy(part)
            for key, part in value.items()
        }
    return [_tidy(part) for part in value] if isinstance(value, list) else value


def _paths() -> Json:
    paths: Json = {}
    for call in CALLS:
        path = paths.setdefault(call.path, {})
        path[call.method.lower()] = _operation(call)
        if call.name == "content":
            path["head"] = {
                **_operation(call),
                "operationId": "content_head",
                "summary": "Size, type and tag of a file.",
            }
            path["head"]["responses"] = {
                status: {key: part for key, part in answer.items() if key != "content"}
                if "$ref" not in answer
                else {"description": "What went wrong, without a body."}
                for status, answer in path["head"]["responses"].items()
            }
    return paths


def _operation(call: Call) -> Json:
    operation: Json = {"operationId": call.name, "summary": call.about}
    if call.operator:
        operation["description"] = "Only with an administrator's token, or over the owner-only local socket."
    if parameters := [*map(_parameter, call.params), *_header_parameters(call)]:
        operation["parameters"] = parameters
    if call.takes is not Body.NONE:
        operation["requestBody"] = {"required": True, **_content(call.takes)}
    operation["responses"] = {str(status): answer for status, answer in sorted(_responses(call))}
    if call.open:
        operation["security"] = []
    return operation


def _parameter(param: Param) -> Json:
    schema: Json
    if param.kind is int:
        schema = {
            "type": "integer",
            "format": "int64",
            "minimum": 0 if param.minimum is None else param.minimum,
            "maximum": _BIGGEST if param.maximum is None else param.maximum,
        }
    else:
        schema = {"type": "string", **({"pattern": param.pattern} if param.pattern else {})}
    if param.default is not None:
        schema["default"] = param.default
    return {
        "name": param.name,
        "in": param.where,
        "required": param.required,
        "description": param.about,
        "schema": schema,
    }


def _header_parameters(call: Call) -> Iterator[Json]:
    if call.mutates:
        yield {
            "name": KEY_HEADER,
            "in": "header",
            "description": "Makes a repetition harmless: the same key with the same request has one effect.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[ -~]+$"},
        }
    if not call.open:
        yield {
            "name": EPOCH_HEADER,
            "in": "header",
            "description": "The life of the store that the request means; in another one it is refused with `cursor-gone`.",
            "schema": {"type": "string", "pattern": _EPOCH_FORM},
        }
    for name in call.headers:
        yield {"name": name, "in": "header", "description": _HEADERS[name], "schema": {"type": "string"}}


def _responses(call: Call) -> Iterator[tuple[int, Json]]:
    told = _failures(call)
    good: Json = {"description": "Done.", "headers": {EPOCH_HEADER: {"$ref": "#/components/headers/Epoch"}}}
    if call.name == "openapi":
        good["content"] = {"application/json": {"schema": {"type": "object"}}}
    else:
        good |= _content(call.gives)
    yield call.status, good
    if call.headers:
        for status, (description, has_content) in _CONDITIONAL.items():
            told.pop(status, None)
            yield status, {"description": description, **(_content(call.gives) if has_content else {})}
    for status, reasons in told.items():
        description = " ".join(reasons)
        yield status, {"description": description, **_content(Problem)}


def _failures(call: Call) -> dict[int, list[str]]:
    """Reasons by status: code and meaning of each error."""
    told: dict[int, list[str]] = {}
    kinds = [*_ANY, *(() if call.open else _KNOWN), *call.fails]
    for kind in dict.fromkeys(kinds):
        meaning = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
        told.setdefault(status_of(kind.code), []).append(f"`{kind.code}`: {meaning}")
    if call.takes is not Body.NONE:
        for status, description in _OF_A_BODY.items():
            told.setdefault(status, []).append(description)
    return told


def _content(message: type[Wire] | type[Node] | Body) -> Json:
    """The part of a request or answer that says what its body is."""
    match message:
        case Body.NONE:
            return {}
        case Body.RAW | Body.PACK:
            return {"content": {message.value: {"schema": {"type": "string", "format": "binary"}}}}
        case _:
            return {"content": {"application/json": {"schema": {"$ref": _REF.format(name=message.__name__)}}}}


def render() -> str:
    """The document as text, the same on every machine."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """The command line of this module; its exit code."""
    parser = argparse.ArgumentParser(prog="python -m homestow.wire.openapi", description="The OpenAPI document.")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", metavar="FILE", type=Path, help="write it to FILE")
    what.add_argument("--check", metavar="FILE", type=Path, help="fail when FILE is not up to date")
    asked = parser.parse_args(arguments)
    text = render()
    if asked.write is not None:
        asked.write.parent.mkdir(parents=True, exist_ok=True)
        asked.write.write_text(text, "utf-8")
    elif asked.check is not None:
        if not asked.check.exists() or asked.check.read_text("utf-8") != text:
            sys.stderr.write(
                f"{asked.check} is not up to date: python -m homestow.wire.openapi --write {asked.check}\n"
            )
            return 1
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

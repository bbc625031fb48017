"""The document says what the table says, completely, and is the one that lies in the repository."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from homestow.values import errors
from homestow.wire import openapi
from homestow.wire.api import MAX_JSON_BYTES, PREFIX, Body
from homestow.wire.api_status import STATUS, status_of
from homestow.wire.calls import CALLS, Call

COMMITTED = Path(__file__).parents[2] / "docs" / "api" / "openapi.json"
DOCUMENT = openapi.document()
BY_CALL = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)


def operation(call: Call) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][call.path][call.method.lower()]
    return found


def test_the_committed_document_is_up_to_date(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """What people read in the repository is what this version does; `--check` says when it is not."""
    assert openapi.main(["--check", str(COMMITTED)]) == 0
    old = tmp_path / "openapi.json"
    assert openapi.main(["--check", str(old)]) == 1
    old.write_text("{}")
    assert openapi.main(["--check", str(old)]) == 1
    assert "--write" in capsys.readouterr().err
    assert openapi.main(["--write", str(old)]) == 0
    assert openapi.main(["--check", str(old)]) == 0
    assert openapi.main([]) == 0
    assert json.loads(capsys.readouterr().out) == DOCUMENT


def test_every_error_has_its_status() -> None:
    """The one table from code to status is complete over all errors that a server or client can tell, and has no other."""
    codes = {kind.code for kind in errors.all_errors() if kind.__module__ == errors.__name__}
    assert codes == set(STATUS)
    assert all(400 <= status < 600 for status in STATUS.values())
    assert status_of("never-heard-of") == 500


def test_call_names_and_places_are_unique() -> None:
    """No two calls share a name, or method and path."""
    assert len({call.name for call in CALLS}) == len(CALLS)
    assert len({(call.method, re.sub(r"\{\w+\}", "{}", call.path)) for call in CALLS}) == len(CALLS)


@BY_CALL
def test_path_parameters_are_those_of_the_path(call: Call) -> None:
    """Each `{x}` is described, required, and there is no other; names are unique."""
    assert re.findall(r"\{(\w+)\}", call.path) == [param.name for param in call.params if param.where == "path"]
    assert all(param.required for param in call.params if param.where == "path")
    assert len({param.name for param in call.params}) == len(call.params)


@BY_CALL
def test_calls_that_change_something_can_be_repeated(call: Call) -> None:
    """P8: what changes files or rights takes an idempotency key; only logins, links to end and blocks (harmless again) do not."""
    changes = call.method in ("POST", "PUT", "DELETE")
    exempt = {
        *("login", "signup", "logout", "change_password", "remove_device", "remove_share", "order"),
        *("put_block", "upload_have", "cancel_upload", "get_pack"),
    }
    assert call.mutates == (changes and call.name not in exempt)
    names = {parameter["name"] for parameter in operation(call).get("parameters", [])}
    assert ("Idempotency-Key" in names) == call.mutates


@BY_CALL
def test_an_operation_says_what_the_call_is(call: Call) -> None:
    """Body, answer, every error's status and the need of a token stand in the document."""
    found = operation(call)
    assert found["operationId"] == call.name
    assert ("requestBody" in found) == (call.takes is not Body.NONE)
    assert str(call.status) in found["responses"]
    common = (errors.BadRequest, errors.Busy, errors.ServerError)
    for kind in (*call.fails, *common, *(() if call.open else (errors.LoginNeeded,))):
        answer = found["responses"][str(status_of(kind.code))]
        assert call.headers or f"`{kind.code}`" in answer["description"]
    assert (found.get("security") == []) == call.open


def test_every_reference_leads_somewhere() -> None:
    """No schema is named that is not there, and none is there that nothing names."""
    text = json.dumps(DOCUMENT)
    named = set(re.findall(r'"#/components/schemas/(\w+)"', text))
    assert named == set(DOCUMENT["components"]["schemas"])


def test_ranges_of_parameters() -> None:
    """Numbers have a type and both ends."""
    for call in CALLS:
        for parameter in operation(call).get("parameters", []):
            if parameter["schema"]["type"] == "integer":
                assert parameter["schema"]["minimum"] <= parameter["schema"]["maximum"]


def test_the_document_is_openapi() -> None:
    """The parts that every tool needs are there."""
    assert DOCUMENT["openapi"].startswith("3.1")
    assert DOCUMENT["servers"] == [{"url": PREFIX}]
    assert DOCUMENT["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert len(openapi.render()) < MAX_JSON_BYTES

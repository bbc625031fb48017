"""Requests made from the OpenAPI document, good and bad, against the running server: it keeps what the document says.

Every check of schemathesis holds: no failure of the server, documented statuses, types, headers and forms only, what is
wrong is refused and what is right is taken, and nothing is answered without a login. `HOMESTOW_LONG=1` tries far more.
"""

import os
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from tests.fronts.api.asks import fresh
from tests.fronts.api.rig import PASSWORD, Rig, new, pack
from tests.fronts.api.rig import rig as open_rig

from homestow.values.ids import NodeId
from homestow.values.nodes import Kind
from homestow.wire.api import EPOCH_HEADER, PREFIX, Body
from homestow.wire.openapi import document

LONG = os.environ.get("HOMESTOW_LONG") == "1"
EXAMPLES = 400 if LONG else 20


@schemathesis.serializer(Body.PACK.value)
def _bytes_as_they_are(context: schemathesis.SerializationContext, value: Any) -> Any:
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


def _packs() -> st.SearchStrategy[bytes]:
    """Packs as a client sends them, whole and with something wrong in them."""
    files = st.lists(
        st.builds(
            lambda name, content: new(1, name, content),
            st.text(min_size=1, max_size=20).filter(lambda name: name.isprintable()),
            st.binary(max_size=50),
        ),
        min_size=1, max_size=4,
    ).map(lambda files: pack(*files))  # fmt: skip
    return st.one_of(files, st.tuples(files, st.integers(1, 40)).map(lambda pair: pair[0][: -pair[1]]), st.binary())


schemathesis.openapi.media_type(Body.PACK.value, _packs())

SCHEMA = schemathesis.openapi.from_dict(document())
CONFIG = SCHEMA.config
CONFIG.generation.update(max_examples=EXAMPLES)
BEYOND_SCHEMAS = {
    "signup": "letters of every script may be in a name, which no pattern says",
    "begin_upload": "either a place or a node with its base",
    "put_pack": "framed bytes",
}
"""Calls whose form no schema can say; what they refuse is tested by hand."""
# What is of the right form may still not fit the state: names in use, other revs, uploads gone, digests of other bytes.
FITS = ["2xx", "304", "401", "403", "404", "409", "410", "412", "416", "422", "429"]
CONFIG.checks.positive_data_acceptance.expected_statuses = FITS
# A cursor or an epoch that is none is another one, an upload's id that is none is no upload.
CONFIG.checks.negative_data_rejection.expected_statuses = [
    "400",
    "401",
    "404",
    "405",
    "409",
    "410",
    "413",
    "415",
    "422",
]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A server that is open for sign-up, with things in it."""
    with open_rig(tmp_path_factory.mktemp("schema"), signup_open=True) as made:
        yield made


Case = schemathesis.Case[Any]


def _pick(value: object, among: list[Any]) -> Any:
    """One of these, the same for the same value."""
    return among[zlib.crc32(repr(value).encode()) % len(among)]


def _fill(rig: Rig) -> None:
    """There is always a folder, a file with versions, something in the trash, and an upload."""
    if len(rig.names()) < 3:
        folder = rig.folder_node(fresh("folder"))
        file = rig.edit(rig.put("file", b"old", parent=folder.id), b"new")
        rig.put(fresh("other"))
        gone = rig.put(fresh("gone"))
        rig.ask("DELETE", f"/nodes/{gone.id}")
        message = {"node": file.id, "base": file.rev, "size": 3}
        assert rig.ask("POST", "/uploads", message).status == 201


def _place(rig: Rig, case: Case) -> None:
    """Let most requests be about things that are there: numbers of the right form become ids of such things."""
    nodes, _ = rig.services.files.tree(rig.services.accounts.check(rig.token("anna")), rig.root)
    gone = [
        item.node.id
        for item in rig.services.trashcan.trash(rig.services.accounts.check(rig.token("anna")), rig.root)[0]
    ]
    uploads = [row.id for row in rig.catalogue.uploads_expired(2**62, 50)]
    with_unknown = [NodeId(10**9)]
    ids: dict[str, list[Any]] = {
        "node": [node.id for node in nodes] + (gone if "trash" in case.path else []) + with_unknown,
        "root": [rig.root, rig.root, rig.root, 10**9],
        "upload": [*uploads, *uploads, "0" * 32],
        "parent": [node.id for node in nodes if node.kind is Kind.FOLDER],
        "base": [1, 2, *(node.change for node in nodes)],
        "under": [node.id for node in nodes],
        "rev": [1, 2, 3],
        "offset": [0, 1, 2, 3, 4],
    }
    epoch = case.headers.get(EPOCH_HEADER) if case.headers else None
    if epoch is not None and len(epoch) == 32:
        case.headers[EPOCH_HEADER] = rig.services.epoch()
    if case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE:
        # JSON Schema takes 1.0 for an integer; our numbers are written without a point, as every JSON writer does.
        case.body = _whole(case.body)
    parts: tuple[Any, ...] = (case.path_parameters, case.query, case.body)
    for part in parts:
        if not isinstance(part, dict):
            continue
        for name, among in ids.items():
            value = part.get(name)
            if among and (_is_id(value) or (name == "upload" and isinstance(value, str) and value)):
                part[name] = _pick(value, among)
        if part is case.query and isinstance(part.get("cursor"), str) and len(part["cursor"]) > 30:
            part["cursor"] = _pick(part["cursor"], [str(rig.services.changes.cursor()), part["cursor"]])
        if part is case.query and isinstance(part.get("wait"), int) and part["wait"] > 0:
            part["wait"] = min(part["wait"], 61) // 61 * 61


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {name: _whole(each) for name, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


@SCHEMA.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.timeout(1800 if LONG else 60)
def test_keeps_the_document(case: Case, shared: Rig) -> None:
    """See the module."""
    shared.clock.ns += 3600 * 1_000_000_000
    name = case.operation.definition.raw["operationId"]
    user = "ada" if name == "order" else "anna"
    _fill(shared)
    _place(shared, case)
    token = shared.services.accounts.log_in(user, PASSWORD, "schema", "").token
    # What is left of an extra parameter with nothing in it is no parameter.
    unsaid = any(value in ([], {}) for value in (case.query or {}).values())
    beyond = name in BEYOND_SCHEMAS or unsaid
    case.call_and_validate(
        base_url=shared.url + PREFIX,
        headers={"Authorization": f"Bearer {token}"},
        excluded_checks=[positive_data_acceptance, negative_data_rejection] if beyond else [],
    )

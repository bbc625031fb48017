"""An independent client: gRPC for JavaScript with the printed numbers, against the real stack."""

import hashlib
import json
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.fronts.ditto.rig import PASSWORD, Rig, open_rig

HERE = Path(__file__).parent / "ditto_js"
PROTO = Path(__file__).parents[2] / "src/homestow/wire/ditto/ditto.proto"

pytestmark = pytest.mark.serial


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client with the packages of its lock."""
    place = tmp_path_factory.mktemp("ditto_js")
    for name in ("package.json", "package-lock.json", "client.js"):
        shutil.copy(HERE / name, place / name)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=place,
        check=True,
        capture_output=True,
        timeout=100,
    )
    return place / "client.js"


def run(program: Path, rig: Rig, file: Path, *, delete: bool) -> dict[str, Any]:
    """What the client says."""
    login = {
        "client_id": rig.client.id, "client_secret": rig.client.secret, "username": "anna", "password": PASSWORD,
    }  # fmt: skip
    given = {"address": rig.address, "proto": str(PROTO), "login": login, "file": str(file), "delete": delete}
    done = subprocess.run(
        ["node", str(program)], input=json.dumps(given), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_javascript_client(program: Path, tmp_path: Path) -> None:
    """Login, a watch, shuffled blocks side by side with repeats and lost answers, lists, delete."""
    content = random.Random(5).randbytes((9 << 20) + 12_345)
    file = tmp_path / "content"
    file.write_bytes(content)
    with open_rig(tmp_path) as rig:
        told = run(program, rig, file, delete=False)
        assert told == {
            "wrong": "UNAUTHENTICATED",
            "without": "UNAUTHENTICATED",
            "login": {"type": "Bearer", "lives": True, "refresh": True},
            "watch": "js",
            "created": "CREATED",
            "file": {"status": "WRITTEN", "size": len(content), "md5": True},
            "events": {"written": True, "blocks": 10},
            "cancelled": True,
            "listed": ["from-js.bin"],
        }
        found = rig.on_disk("anna", "Ditto", "from-js.bin").read_bytes()
        assert hashlib.sha256(found).digest() == hashlib.sha256(content).digest()
        told = run(program, rig, file, delete=True)
        assert told["deleted"] == "NOT_FOUND"
        assert not rig.on_disk("anna", "Ditto", "from-js (2).bin").exists()
        assert rig.on_disk("anna", "Ditto", "from-js.bin").exists()

"""S74: whatever order messages come in, each is answered by what the session and the bind allow, and by nothing else."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.fronts.api.rig import PASSWORD
from tests.fronts.netdrive.rig import DEAD, DriveRig, Peer, documented, final, md5, open_rig

NAMES = st.sampled_from(["a", "b", "c"])
CONTENTS = st.sampled_from([b"", b"hello", b"other", b"x" * 5000])
NUMBERS = count()


class Machine(RuleBasedStateMachine):
    """A new user with one connection of each kind; the model knows the logins, the bind and the files."""

    rig: DriveRig

    @initialize()
    def begin(self) -> None:
        self.user = f"user{next(NUMBERS)}"
        self.rig.services.accounts.add(self.user, PASSWORD)
        self.logins = 0
        self.session = DEAD
        self.bind = 0
        self.files: dict[str, bytes] = {}
        self.contents: set[bytes] = set()
        self.old = Peer(self.rig.tcp_port)
        self.new = Peer(self.rig.tcp_port)

    def teardown(self) -> None:
        if hasattr(self, "old"):
            self.old.close()
            self.new.close()

    # --- what the model expects ---------------------------------------------------------------------------------------

    def check(self, told: dict[str, Any], *, bound: bool) -> bool:
        """Errors 2 and 3 exactly when they are due; whether the operation was reached."""
        if self.logins == 0:
            assert told["error"] == 2, told
        elif bound and self.bind == 0:
            assert told["error"] == 3, told
        else:
            assert told["error"] in (0, 1, 4), told
            return True
        return False

    def old_call(self, kind: str, data: bytes | None = None, **fields: object) -> dict[str, Any]:
        return self.old.old(kind, data=data, session=self.session, **fields)

    def new_call(self, kind: str, data: bytes = b"", **fields: object) -> dict[str, Any]:
        return self.new.ask(kind, data=data, session=self.session, **fields)

    # --- accounts -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.logins < 3)
    @rule(by_old=st.booleans(), good=st.booleans())
    def log_in(self, by_old: bool, good: bool) -> None:
        if not good and self.logins == 0:
            return  # wrong tries without end would be counted (S43)
        if good:
            peer = self.old if by_old else self.new
            peer.send((final if by_old else documented)("login", username=self.user, password=PASSWORD))
            told = peer.hear()
            assert told["error"] == 0, told
            assert self.logins == 0 or told["session"] == self.session
            self.logins += 1
            self.session = told["session"]

    @rule(by_old=st.booleans())
    def log_out(self, by_old: bool) -> None:
        if by_old:
            self.old.send(final("logout", session=self.session))
            assert self.old.is_closed()
            self.old.close()
            self.old = Peer(self.rig.tcp_port)
        else:
            told = self.new_call("logout")
            assert told["error"] == (0 if self.logins else 2)
            if self.logins:
                assert self.new.is_closed()
                self.new.close()
                self.new = Peer(self.rig.tcp_port)
        self.logins = max(0, self.logins - 1)

    @rule(by_old=st.booleans())
    def somebody_elses_session(self, by_old: bool) -> None:
        peer = self.old if by_old else self.new
        told = peer.old("getdir", session=DEAD) if by_old else peer.ask("dirinfo", session=DEAD)
        assert told["error"] == 2

    # --- binds --------------------------------------------------------------------------------------------------------

    @rule(number=st.sampled_from([0, 1, 2, 99]))
    def set_bind(self, number: int) -> None:
        told = self.old_call("setbind", bindid=number)
        assert told["bindid"] == number
        if self.check(told, bound=False):
            assert told["error"] == (0 if number == 1 else 1)
            self.bind = 1 if number == 1 else self.bind

    @rule()
    def unbind(self) -> None:
        if self.check(self.old_call("disbind"), bound=False):
            self.bind = 0

    @rule()
    def ask_bind(self) -> None:
        told = self.old_call("getbindid")
        if self.logins:
            assert (told["bindid"], told["error"]) == (self.bind, 0 if self.bind else 1)
        else:
            assert (told["bindid"], told["error"]) == (-1, 2)

    # --- files --------------------------------------------------------------------------------------------------------

    @rule(name=NAMES, content=CONTENTS)
    def old_upload(self, name: str, content: bytes) -> None:
        told = self.old_call(
            "uploadFile", queueid=1, filename=name, path="//", md5=md5(content), size=len(content), mtime=1
        )
        if self.check(told, bound=True):
            known = not content or content in self.contents
            assert told["error"] == (0 if known else 4)
            if not known:
                sent = self.old_call(
                    "uploadChunk",
                    content,
                    vfile_id=told["vfile_id"],
                    queueid=2,
                    chunkid=0,
                    offset=0,
                    chunksize=len(content),
                )
                assert sent["error"] == 0
            self.files[name] = content
            self.contents.add(content)

    @rule(content=CONTENTS)
    def a_chunk_of_nothing(self, content: bytes) -> None:
        told = self.old_call(
            "uploadChunk", content, vfile_id=1 << 40, queueid=2, chunkid=0, offset=0, chunksize=len(content)
        )
        if self.check(told, bound=True):
            assert told["error"] == 1

    @rule(name=NAMES, content=CONTENTS)
    def new_upload(self, name: str, content: bytes) -> None:
        told = self.new_call("upload", content, filename=name, size=len(content))
        if self.check(told, bound=False):
            assert told["error"] == 0
            self.files[name] = content
            self.contents.add(content)

    @rule(content=CONTENTS)
    def download(self, content: bytes) -> None:
        told = self.old_call("downloadFile", queueid=1, md5=md5(content), offset=0, chunksize=len(content))
        if self.check(told, bound=True):
            if told["error"] == 0:
                assert self.old.exactly(len(content) + 1) == content + b"\0"
            assert told["error"] == 0 or content not in self.files.values()

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        told = self.old_call("deleteFile", queueid=1, filename=name, path="//")
        if self.check(told, bound=True):
            assert told["error"] == (0 if name in self.files else 1)
            self.files.pop(name, None)

    @rule(kind=st.sampled_from(["createDir", "deleteDir"]))
    def folders(self, kind: str) -> None:
        if self.check(told := self.old_call(kind, queueid=1, prefix="//", dirname="d"), bound=True):
            assert told["error"] == 0

    @rule()
    def old_list(self) -> None:
        told = self.old_call("getdir")
        if self.check(told, bound=True):
            assert {each["filename"]: each["md5"] for each in told["dir_list"] or ()} == self.digests()

    @rule()
    def new_list(self) -> None:
        told = self.new_call("dirinfo")
        if self.check(told, bound=False):
            assert {each["vfile_name"]: each["vfile_md5"] for each in told["files"]} == self.digests()

    def digests(self) -> dict[str, str]:
        return {name: md5(content) for name, content in self.files.items()}

    # --- bytes --------------------------------------------------------------------------------------------------------

    @rule(data=st.sampled_from([b"getdir\n{\0", b"getdir\nx\0", b"login\n[]\0"]))
    def malformed(self, data: bytes) -> None:
        self.old.send(data)

    @rule(data=st.sampled_from([b"upload\n{}\0", b"getdir\n{}\0", b"x" * 30, b"UPLOADFILE\n{}\0"]))
    def out_of_step(self, data: bytes) -> None:
        self.old.send(data)
        assert self.old.is_closed()
        self.old.close()
        self.old = Peer(self.rig.tcp_port)

    @rule()
    def phase_0_is_closed(self) -> None:
        self.new.send(documented("upload", filename="a", size=3) + b"abc")
        assert self.new.hear()["error"] == 1

    @invariant()
    def files_are_as_known(self) -> None:
        if hasattr(self, "user"):
            assert self.rig.files(self.user) == self.files


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriveRig]:
    """One server for all runs: each has a user of its own."""
    place: Path = tmp_path_factory.mktemp("states")
    with open_rig(place) as rig:
        yield rig


def test_S74_any_order_of_messages(shared: DriveRig) -> None:
    """Commands before login, after logout, with dead sessions and foreign ones, bound and not, on two connections."""
    Machine.rig = shared
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )

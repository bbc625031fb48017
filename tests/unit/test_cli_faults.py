"""HOMESTOW_FAULTS: what makes tests of crashes say what they mean."""

import errno
from pathlib import Path

import pytest

from homestow.cli.faults import NOTE, VARIABLE, arm_as_told, parse
from homestow.values.errors import BadSettings
from homestow.values.faults import arm, faultpoint


@pytest.mark.parametrize("text", ["", "content.sync", "a:kill", "a:kill:x", "a:ENOTHING:1", "a:kill:1,,b:kill:2"])
def test_what_is_no_fault_is_refused(text: str) -> None:
    """A mistake is told, never a test without faults."""
    with pytest.raises(BadSettings):
        parse(text)


def test_the_disk_fails_at_the_hit_that_was_named(tmp_path: Path) -> None:
    """Only that hit of the pattern fails, every hit of `*`; all points are noted."""
    note = tmp_path / "note"
    arm_as_told({VARIABLE: "content.*:EIO:2,state:ENOSPC:*", NOTE: str(note)})
    try:
        faultpoint("content.sync")
        faultpoint("other")
        with pytest.raises(OSError, match="output") as failed:
            faultpoint("content.write")
        assert failed.value.errno == errno.EIO
        faultpoint("content.write")
        for _ in range(2):
            with pytest.raises(OSError, match="space"):
                faultpoint("state")
    finally:
        arm(None)
    assert note.read_text().split() == ["content.sync", "other", "content.write", "content.write", "state", "state"]

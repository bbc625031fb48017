"""What a job is told, before anything is asked of a server."""

from dataclasses import replace
from pathlib import Path

import pytest

from homestow.client.bootstrap import open_job
from homestow.client.settings import JobSettings
from homestow.values.errors import BadSettings


def settings(tmp_path: Path) -> JobSettings:
    return JobSettings("http://127.0.0.1:1", "token", tmp_path / "folder", "A", tmp_path / "data")


def test_each_folder_of_a_root_has_a_state_of_its_own(tmp_path: Path) -> None:
    """One for all of it, others for its folders, whatever slashes they are written with."""
    whole = settings(tmp_path)
    part = replace(whole, remote_folder="Photos/2026")
    assert len({each.state_path(1) for each in (whole, part, replace(whole, remote_folder="Photos"))}) == 3
    assert replace(whole, remote_folder="/Photos/2026/").state_path(1) == part.state_path(1)
    assert replace(whole, remote_folder="/").state_path(1) == whole.state_path(1)


def test_one_folder_needs_the_native_protocol(tmp_path: Path) -> None:
    """Over netdrive it is refused at once, with what to do; nothing is made on disk."""
    job = replace(settings(tmp_path), server="netdrive://127.0.0.1:1", remote_folder="Photos")
    with pytest.raises(BadSettings, match="native protocol"):
        open_job(job)
    assert not job.folder.exists()

"""A million files through the isync calls: every page of them, by number, over HTTP."""

import os
from pathlib import Path

import pytest
from tests.journeys.cli_processes import Home
from tests.journeys.test_isync_family import Phone

from homestow.server.bootstrap import open_house
from homestow.server.ports.catalogue import NOT_SEEN, new_row
from homestow.server.settings import Settings
from homestow.values.ids import NodeId, RootId
from homestow.values.nodes import Kind

FILES = int(os.environ.get("ISYNC_FILES", "1000000"))
IN_FOLDER = 1000
PASSWORD = "correct horse battery"

pytestmark = [pytest.mark.serial, pytest.mark.long, pytest.mark.timeout(1800)]


def fill(data: Path) -> None:
    """Rows of files in folders of a thousand, with sizes in no order; contents are not looked at by lists."""
    with open_house(data, Settings(watch=False)) as house:
        root = RootId(1)
        top = house.core.catalogue.top(root)
        assert top is not None
        for start in range(0, FILES, IN_FOLDER):
            with house.core.catalogue.write() as rows:
                folder = rows.take_ids(IN_FOLDER + 1)
                number = rows.take_numbers(IN_FOLDER + 1, {top.id})
                rows.add([new_row(folder, root, top.id, f"d{start}", Kind.FOLDER, number)])
                rows.add(
                    new_row(
                        NodeId(folder + at), root, folder, f"f{start + at}.jpg", Kind.FILE, number + at, rev=1,
                        size=(start + at) * 7919 % 1_000_003, mtime_ns=10**18, seen=NOT_SEEN,
                    )
                    for at in range(1, IN_FOLDER + 1)
                )  # fmt: skip


def test_every_page_of_a_million_files(tmp_path: Path) -> None:
    """Each file is on one page, in order, with the count of pages on each; folders hold theirs."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    fill(home.data)
    own = home.data / "files" / "anna"
    own.rename(own.with_name("elsewhere"))  # so that nobody looks for these files on the disk
    with home.server() as serving:
        phone = Phone(serving.url)
        phone.post("login", userName="anna", password=PASSWORD)
        seen: set[int] = set()
        before = 1 << 62
        for number in range(-(-FILES // 10_000)):
            page = phone.get("files", pageIndex=number, maxPerPage=10_000, sort=-3)
            assert page["page"] == {"pageIndex": number, "maxPerPage": 10_000, "pageCount": -(-FILES // 10_000)}
            sizes = [info["size"] for info in page["list"]]
            assert sizes == sorted(sizes, reverse=True)
            assert sizes[0] <= before
            before = sizes[-1]
            seen.update(info["id"] for info in page["list"])
        assert len(seen) == FILES
        assert phone.get("files", pageIndex=-(-FILES // 10_000), maxPerPage=10_000)["list"] == []
        (top,) = phone.get("catalogs", pids="-1")
        folders = phone.get("catalogs", pids=top["id"])
        assert len(folders) == FILES // IN_FOLDER
        assert {each["fileCount"] for each in folders} == {IN_FOLDER}

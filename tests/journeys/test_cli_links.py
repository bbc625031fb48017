"""`homestow share`: a link is made, opened by a stranger, listed and ended."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.journeys.cli_processes import Home

pytestmark = pytest.mark.serial


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home folder."""
    return Home(tmp_path / "home")


def test_a_link_from_the_shell(home: Home) -> None:
    """It opens without a login until it is removed, and is listed without its key; a restart changes nothing."""
    home.fine("user", "add", "anna", "--data", home.data)
    (home.data / "files" / "anna" / "cake.jpg").write_bytes(b"cake")
    with home.server() as server:
        asked = ("-s", server.url, "-u", "anna")
        link = home.fine("share", "add", *asked, "--days", "7", "--label", "granny", "anna/cake.jpg").out.strip()
        assert link.startswith(f"{server.url}/s/")
        assert urllib.request.urlopen(link, timeout=20).read() == b"cake"
        listed = home.fine("share", "list", *asked).out
        assert listed.startswith("1  cake.jpg  by anna, used 1 time, until ")
        assert listed.endswith(", granny\n")
        assert link.rpartition("/")[2] not in listed
        assert home.run("share", "add", *asked, "anna/nothing").code == 1
    with home.server() as server:
        link = server.url + "/s/" + link.rpartition("/")[2]
        assert urllib.request.urlopen(link, timeout=20).read() == b"cake"
        home.fine("share", "remove", "-s", server.url, "-u", "anna", "1")
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(link, timeout=20)
        assert told.value.code == 404
        told.value.close()
        assert home.run("share", "remove", "-s", server.url, "-u", "anna", "1").code == 1

"""The routes of the shipped service: its windows and scripts find the shapes they know."""

import re
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.control_twin import TwinService, lived_in
from tests.fronts.control_http.rig import OldWindow, Site, opened

from homestow.values.errors import Unreachable
from homestow.wire.control import AnyOrder, JobConfig, Problem, Transfer


@pytest.fixture
def window(site: Site) -> OldWindow:
    """Somebody with name and password."""
    return site.log_in()


def shown(window: OldWindow) -> dict[str, dict[str, Any]]:
    """All jobs by id, as the old window asks for them."""
    return {job["id"]: job for job in window.ask("GET", "/jobs-status").json()["jobs"]}


def test_the_old_window_drives_the_service(site: Site) -> None:
    """Its whole sequence: probe, poll, pause all, poll, resume all, update check, quit; on one nonce, with the answers it reads."""
    window = site.log_in()

    assert window.ask("HEAD", "/res/index.html").status == 200
    assert window.ask("HEAD", "/res/angularjs/angular.min.js").status == 200
    status = window.ask("GET", "/jobs-status").json()
    assert status["is_connected_to_internet"] is True
    for job in status["jobs"]:
        assert {"id", "label", "active", "running", "directory", "server"} <= set(job)
        assert isinstance(job["last_event"]["message"], str)
    photos = shown(window)["photos"]
    assert (photos["running"], photos["state"]["tasks"]["total"], photos["state"]["global"]["eta"]) == (True, 32, 19)

    assert window.ask("GET", "/cmd/pause-all").body == b'"success"'
    assert {job["running"] for job in shown(window).values()} == {False}
    assert window.ask("GET", "/cmd/start-all").body == b'"success"'
    assert {job["running"] for job in shown(window).values()} == {True}
    update = "/url/https%3A%2F%2Fupdate.pydio.com%2Fpub%2F%3Fpackage%3Dpydio-sync%26version%3D1"
    assert set(window.ask("GET", update).json()) == {"noupdate"}
    assert window.ask("GET", "/").status == 302
    assert window.ask("GET", "/").headers["location"] == "/res/index.html"
    assert window.ask("GET", "/cmd/exit").body == b'"success"'
    assert site.twin.quit.is_set()
    assert len(window.challenges) == 1


def test_the_answer_to_an_order_has_nine_bytes(window: OldWindow) -> None:
    """Any other body would be read as a list of jobs, and the window would show that the computer is offline."""
    for command in ("start-all", "pause-all", "reload-configs"):
        answer = window.ask("GET", f"/cmd/{command}")
        assert (answer.status, answer.headers["content-length"], answer.body) == (200, "9", b'"success"')
    assert window.ask("GET", "/cmd/other").status == 404


@pytest.mark.parametrize(
    "command, state",
    [
        ("pause", "paused"),
        ("resume", "syncing"),
        ("start", "syncing"),
        ("disable", "off"),
        ("enable", "syncing"),
        ("resync", "scanning"),
        ("dance", "left"),
    ],
)
def test_orders_to_one_job(site: Site, window: OldWindow, command: str, state: str) -> None:
    """Each does what it says to that job alone; an unknown one does nothing and is answered the same."""
    if command in ("resume", "start"):
        window.ask("GET", "/cmd/pause/documents")
    before = {job.id: job.state for job in site.twin.jobs()}
    answer = window.ask("GET", f"/cmd/{command}/documents")

    assert (answer.status, answer.body) == (200, b'["success"]')
    assert {job.id: job.state for job in site.twin.jobs()} == {**before, "documents": state}
    assert window.ask("GET", "/cmd/pause/nothing").status == 404


def test_jobs_have_all_their_keys(window: OldWindow) -> None:
    """A job is what its file says, under the known names, and how it is."""
    jobs = window.ask("GET", "/jobs").json()
    keys = {
        "__type__", "server", "id", "label", "workspace", "directory", "remote_folder", "user", "direction", "frequency", "solve",
        "start_time", "trust_ssl", "active", "filters", "timeout", "hide_up_dir", "hide_bi_dir", "hide_down_dir", "poolsize",
        "running", "last_event", "last_action",
    }  # fmt: skip
    for job in jobs:
        assert set(job) - {"state"} == keys
        assert ("state" in job) is job["running"]
        assert job["__type__"] == "JobConfig"
        assert set(job["last_event"]) == {"id", "type", "message", "source", "action", "target", "status", "date"}
        assert re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)?", job["last_action"])
    assert window.ask("GET", "/jobs/photos").json() == jobs[1]
    assert set(jobs[1]["state"]) == {"global", "tasks", "websocket"}
    assert set(jobs[1]["state"]["global"]) == {
        "status_indexing", "queue_length", "queue_done", "queue_bytesize", "last_transfer_rate", "queue_start_time", "total_time", "eta",
    }  # fmt: skip
    assert window.ask("GET", "/jobs/nothing").status == 404


def test_five_transfers_are_shown(site: Site, window: OldWindow) -> None:
    """What is on its way stands there, five of it."""
    site.twin.progress(
        "photos",
        transfers=tuple(Transfer(path=f"{n}.jpg", up=n % 2 == 0, done_bytes=n, size_bytes=100) for n in range(9)),
    )

    current = window.ask("GET", "/jobs/photos").json()["state"]["tasks"]["current"]
    assert [(each["type"], each["source"], each["total_bytes_sent"], each["total_size"]) for each in current] == [
        ("upload", "/0.jpg", 0, 100), ("download", "/1.jpg", 1, 100), ("upload", "/2.jpg", 2, 100), ("download", "/3.jpg", 3, 100),
        ("upload", "/4.jpg", 4, 100),
    ]  # fmt: skip


def test_a_balloon_is_shown_once(site: Site, window: OldWindow) -> None:
    """A conflict or problem is told with the next poll, and only that one; what just travelled makes no balloon."""
    assert "notification" not in shown(window)["documents"]
    site.twin.clash("documents", "a.txt", "a (conflict).txt")
    site.twin.happen("photos", "download", "b.jpg")

    jobs = shown(window)
    assert "a.txt" in jobs["documents"]["notification"]["message"]
    assert "notification" not in jobs["photos"]
    assert "notification" not in shown(window)["documents"]


def test_offline_is_when_no_server_answers(site: Site, window: OldWindow) -> None:
    """One job that reaches its server is enough to be connected."""
    for job in ("documents", "photos"):
        assert window.ask("GET", "/jobs-status").json()["is_connected_to_internet"] is True
        site.twin.move(job, state="waiting", code="unreachable")
    assert window.ask("GET", "/jobs-status").json()["is_connected_to_internet"] is False


def test_logs_are_the_newest_twenty(site: Site, window: OldWindow) -> None:
    """Newest first, filtered when asked, with how the job is."""
    for number in range(30):
        site.twin.happen("photos", "upload", f"{number}.jpg", side="there")
    logs = window.ask("GET", "/jobs/photos/logs").json()
    assert [event["source"] for event in logs["logs"]] == [f"/{number}.jpg" for number in range(29, 9, -1)]
    assert logs["running"]["tasks"]["total"] == 32
    assert window.ask("GET", "/jobs/manuals/logs").json()["running"] is False

    local = window.ask("GET", "/jobs/photos/logs?type=local&action=download").json()["logs"]
    assert [event["action"] for event in local] == ["download"] * 8
    assert window.ask("GET", "/jobs/photos/logs?status=error").json()["logs"] == []


@pytest.mark.parametrize(
    "status, kept", [("SOLVED:KEEPREMOTE", "original"), ("SOLVED:KEEPLOCAL", "copy"), ("SOLVED:KEEPBOTH", "both")]
)
def test_a_conflict_is_settled(site: Site, window: OldWindow, status: str, kept: str) -> None:
    """The row comes back with another status; what was changed on this computer is the copy, for the server had the other first."""
    site.twin.clash("manuals", "a.txt", "a (conflict anna-desktop).txt", device="anna-desktop")
    rows = window.ask("GET", "/jobs/manuals/conflicts").json()
    assert [set(row) for row in rows] == [{"node_id", "node_path", "bytesize", "md5", "mtime", "status", "detail"}]
    assert (rows[0]["node_path"], rows[0]["status"]) == ("/a.txt", "CONFLICT")

    answer = window.ask("POST", "/jobs/conflicts", body={**rows[0], "job_id": "manuals", "status": status})
    assert answer.json() == {**rows[0], "job_id": "manuals", "status": status}
    assert window.ask("GET", "/jobs/manuals/conflicts").json() == []
    assert window.ask("GET", "/jobs/manuals/logs").json()["logs"][1]["message"] == kept
    assert site.twin.jobs()[2].state == "syncing", "with the last conflict settled the job starts"


def test_the_other_devices_copy_is_theirs(site: Site, window: OldWindow) -> None:
    """Of a copy that another computer made, ours is the file that has the name."""
    row = window.ask("GET", "/jobs/documents/conflicts").json()[0]
    window.ask("POST", "/jobs/documents/conflicts", body={**row, "job_id": "documents", "status": "SOLVED:KEEPLOCAL"})

    assert any(event["message"] == "original" for event in window.ask("GET", "/jobs/documents/logs").json()["logs"])


@pytest.mark.parametrize(
    "change", [{"status": "CONFLICT"}, {"job_id": None}, {"node_path": 1}, {"node_path": "/x"}, {"job_id": "x"}]
)
def test_a_wrong_choice_settles_nothing(site: Site, window: OldWindow, change: dict[str, Any]) -> None:
    """What is not understood, or not there, changes nothing."""
    row = window.ask("GET", "/jobs/documents/conflicts").json()[0]
    answer = window.ask(
        "POST", "/jobs/conflicts", body={**row, "job_id": "documents", "status": "SOLVED:KEEPBOTH", **change}
    )

    assert answer.status in (400, 404)
    assert len(window.ask("GET", "/jobs/documents/conflicts").json()) == 1


NEW = {
    "__type__": "JobConfig",
    "server": "https://home.example.org",
    "directory": "/home/anna/New/",
    "workspace": "anna",
    "user": "anna",
}


def test_a_job_is_made_changed_and_removed(site: Site, window: OldWindow, tmp_path: Path) -> None:
    """The same object makes a job without an id and changes the one of its id; removing answers 204 and touches no file."""
    made = window.ask(
        "POST", "/jobs", body={**NEW, "password": "correct horse battery", "solve": "both", "poll_interval": 10}
    ).json()
    assert (made["id"], made["directory"], made["solve"], made["__type__"]) == (
        "home.example.org-anna",
        "/home/anna/New",
        "both",
        "JobConfig",
    )
    assert "password" not in str(window.ask("GET", "/jobs").json())

    changed = window.ask(
        "POST", "/jobs", body={**made, "label": "Other", "direction": "up", "active": False, "toggle_status": True}
    ).json()
    assert (changed["label"], changed["direction"], changed["active"], changed["running"]) == (
        "Other",
        "up",
        False,
        False,
    )
    assert len(window.ask("GET", "/jobs").json()) == 4

    assert window.ask("DELETE", f"/jobs/{made['id']}").status == 204
    assert window.ask("DELETE", f"/jobs/{made['id']}").status == 404
    assert len(window.ask("GET", "/jobs").json()) == 3


def test_what_is_not_said_of_a_known_job_stays(window: OldWindow) -> None:
    """A script that changes the label must not take away the patterns, and so send what they keep at home."""
    made = window.ask(
        "POST", "/jobs", body={**NEW, "direction": "down", "filters": {"includes": ["*"], "excludes": ["*.key"]}}
    ).json()
    said = {name: made[name] for name in ("__type__", "id", "server", "directory")}
    changed = window.ask("POST", "/jobs", body={**said, "label": "Other", "solve": "sideways"}).json()
    assert changed["label"] == "Other"
    assert {**changed, "label": made["label"]} == made


def test_a_choice_that_is_unknown_is_the_default(window: OldWindow) -> None:
    """As it always was; a value of the wrong kind is refused."""
    made = window.ask("POST", "/jobs", body={**NEW, "direction": "sideways", "frequency": 7, "solve": None}).json()
    assert (made["direction"], made["frequency"], made["solve"]) == ("bi", "auto", "manual")
    assert window.ask("POST", "/jobs", body={**NEW, "timeout": "long"}).status == 400
    assert window.ask("POST", "/jobs", body={**NEW, "server": None}).status == 400
    assert window.ask("POST", "/jobs", body={**NEW, "password": 1}).status == 400
    assert window.ask("POST", "/jobs", body=[NEW]).status == 400


def test_before_a_job_is_made_its_folder_is_tried(site: Site, window: OldWindow, tmp_path: Path) -> None:
    """`test_path` proposes a folder, `compute_sizes` counts what is in it; neither saves anything."""
    proposed = window.ask(
        "POST", "/jobs", body={**NEW, "directory": "", "test_path": True, "repoObject": {"label": "../My/ Files."}}
    ).json()
    assert proposed["directory"] == str(Path.home() / "Homestow" / "My Files")
    (tmp_path / "New").mkdir()
    (tmp_path / "New" / "a").write_bytes(b"12345")
    counted = window.ask(
        "POST", "/jobs", body={**NEW, "directory": str(tmp_path / "New"), "compute_sizes": True}
    ).json()
    assert (counted["byte_size"], counted["eta"]) == (5, -1)
    assert len(site.twin.jobs()) == 3


def test_workspaces_and_folders(window: OldWindow) -> None:
    """Of a job, or of an address with name and password; troubles in the known shapes."""
    query = "url=https%3A%2F%2Fhome.example.org&user=anna&trust_ssl=false&password=correct%20horse%20battery"
    for path in (f"/ws/request?{query}", "/ws/documents"):
        told = window.ask("GET", path).json()
        assert [repo["label"] for repo in told["repositories"]["repo"]] == ["anna", "Photos", "Manuals"]
        assert told["user_display_name"] == "anna"
    wrong = window.ask("GET", f"/ws/request?{query}x")
    assert (wrong.status, set(wrong.json())) == (401, {"error", "code"})
    assert window.ask("GET", "/ws/request").status == 400

    assert window.ask("GET", f"/folders/request?{query}&ws=anna&subdir=/Documents").json() == [
        {"@filename": "/Documents/Taxes", "@text": "Taxes", "tree": []}
    ]
    assert [node["@text"] for node in window.ask("GET", "/folders/photos").json()] == ["2025", "2026"]
    assert window.ask("GET", f"/folders/request?{query}&ws=none").json()[0]["error"] == "Cannot load workspace"


def test_what_file_managers_ask(tmp_path: Path) -> None:
    """Each path is in step, on its way, or unknown; and no path leads out of the folder."""
    twin = TwinService(jobs=False)
    lived_in(twin, str(tmp_path))
    folder = tmp_path / "Documents"
    (folder / "Letters").mkdir(parents=True)
    for name in ("old.txt", "new.txt", "Budget.xlsx", "Letters/letter.odt"):
        (folder / name).touch()
    with opened(tmp_path, twin) as site:
        window = site.log_in()
        newest = max(path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")])
        twin.move("documents", synced_at_ns=newest)

        def stat(path: str) -> Any:
            return window.ask("GET", f"/stat/documents/{path}").json().get("node_status")

        assert window.ask("GET", "/stat").json()["documents"] == [
            str(folder),
            "https://home.example.org",
            "Documents",
            "anna",
        ]
        assert [stat("old.txt"), stat("Letters"), stat("Budget.xlsx"), stat("none"), stat("")] == [
            "IDLE",
            "IDLE",
            "PENDING",
            "False",
            "PENDING",
        ]
        twin.trouble(Problem(job="documents", path="Letters/letter.odt", code="busy", message="", left=True))
        assert stat("Letters") == "PENDING"
        twin.move("documents", synced_at_ns=1)
        assert stat("old.txt") == "PENDING"
        for path in ("../Pictures", "Letters/../../x", "Letters//x", "."):
            assert window.ask("GET", f"/stat/documents/{path}").status == 400


def test_sharing(window: OldWindow) -> None:
    """A link is made, known again, and ended."""
    link = window.ask(
        "GET", "/share/documents?action=share&relative_path=/plan.md&expiration=30&password=secret1&can_read=true"
    ).json()["link"]
    assert link.startswith("https://home.example.org/s/")
    known = window.ask("GET", "/share/documents?action=share&relative_path=/plan.md&checkExistingLinkFlag=true").json()
    assert known == {"link": link, "existingLinkFlag": "true"}
    for _ in range(2):
        ended = window.ask("GET", "/share/documents?action=unshare&path=/plan.md").json()
        assert ended["existingLinkFlag"] == "false"
    assert window.ask("GET", "/share/documents?action=share&relative_path=").status == 400
    assert window.ask("GET", "/share/documents?relative_path=a&expiration=soon").status == 400


def test_settings_and_diagnostics(site: Site, window: OldWindow) -> None:
    """The general settings have their keys; the language can be set; signs of life come until the page closes."""
    told = window.ask("GET", "/general_configs").json()
    assert set(told) == {"log_configuration", "update_info", "max_wait_time_for_local_db_access", "language"}
    assert told["max_wait_time_for_local_db_access"] == 30
    assert window.ask("POST", "/general_configs", body={**told, "language": "zh"}).json()["language"] == "zh"
    assert site.twin.settings.language == "zh"
    assert window.ask("POST", "/general_configs", body={**told, "language": "xx"}).json()["language"] == "zh"
    assert set(window.ask("GET", "/checksync").json()) == {"documents", "photos", "manuals"}
    assert set(window.ask("GET", "/checksync/photos").json()) == {"photos"}
    assert site.ask("GET", "/feedbackinfo").json() == {"version": "0.1.0"}
    with socket.create_connection(("127.0.0.1", site.port)) as watcher:
        words = window.words("GET", "/streamlifesign")
        watcher.sendall(
            f"GET /streamlifesign HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nAuthorization: {words}\r\n\r\n".encode()
        )
        heard = b""
        while b"data: alive\n\n" not in heard:
            heard += watcher.recv(1000)


def test_what_is_not_offered_is_not_found(window: OldWindow) -> None:
    """No call copies files of the computer by GET, sets proxies, or writes to a socket of a known name in a shared folder."""
    for path in (
        "/share_cp?folder=a&filepath=/etc/passwd",
        "/share_link/a/file/b",
        "/proxy",
        "/resolve/x",
        "/jobs/documents/x",
        "/ws/a/b",
    ):
        assert window.ask("GET", path).status == 404, path


def test_nothing_is_fetched(window: OldWindow) -> None:
    """An address that is given to be asked for is not (S88)."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        port = elsewhere.getsockname()[1]
        for scheme in ("http", "https", "file", "smb", "ftp"):
            assert set(window.ask("GET", f"/url/{scheme}%3A%2F%2F127.0.0.1%3A{port}%2F").json()) == {"noupdate"}
        elsewhere.settimeout(0.05)
        with pytest.raises(TimeoutError):
            elsewhere.accept()


def test_troubles_have_their_status(site: Site, window: OldWindow) -> None:
    """A server that is away is no fault of the one who asks; an error inside says nothing of itself."""

    def away(order: AnyOrder) -> None:
        raise Unreachable("home.example.org does not answer.")

    site.twin.before = away
    answer = window.ask("GET", "/ws/documents")
    assert (answer.status, answer.json()) == (
        502,
        {"error": "home.example.org does not answer.", "code": "unreachable"},
    )

    def broken(order: AnyOrder) -> None:
        raise RuntimeError("/secret/place")

    site.twin.before = broken
    answer = window.ask("GET", "/general_configs")
    assert answer.status == 500
    assert b"secret" not in answer.body


def test_a_label_is_the_folders_name(site: Site, window: OldWindow) -> None:
    """A job without a label is called like its folder."""
    site.twin.add(JobConfig(server="https://home.example.org", directory="/data/My Things", id="t"))
    assert shown(window)["t"]["label"] == "My Things"

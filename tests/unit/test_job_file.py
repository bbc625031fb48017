"""The job file: both shapes read and written back, what is not ours kept, and what cannot be said by name."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from homestow.values.errors import BadSettings
from homestow.wire.control import Filters, JobConfig, StartTime
from homestow.wire.job_file import MAX_JOBS, USUAL_FILTERS, JobFile, is_id, job_id, read

PLAIN = {"__type__": "JobConfig", "server": "http://home:5000", "directory": "/home/anna/Docs", "workspace": "docs"}


def one(**more: Any) -> Any:
    """A job as it stands in a file; a value of None: without the key."""
    return {key: value for key, value in {**PLAIN, **more}.items() if value is not None}


def array(*jobs: Any) -> JobFile:
    return read(json.dumps(list(jobs)).encode())


def by_id(**jobs: Any) -> JobFile:
    return read(json.dumps(jobs).encode())


# --- what is read -----------------------------------------------------------------------------------------------------


def test_the_array_of_the_first_services() -> None:
    """Server, directory and workspace are enough; the id is made of host and workspace, the filters are the usual ones."""
    (job,) = array(one()).jobs

    assert job.fault == ""
    assert job.config == JobConfig(
        id="home-docs", server="http://home:5000", directory="/home/anna/Docs", workspace="docs", filters=USUAL_FILTERS
    )


def test_the_object_by_id_of_the_last_services() -> None:
    """Every key that they wrote is understood or left alone."""
    (job,) = by_id(
        mine=one(
            id="mine", label="Documents", remote_folder="/sub/folder/", user="anna", direction="down", frequency="time",
            solve="both", start_time={"h": 3, "m": 30}, trust_ssl=False, active=False,
            filters={"includes": ["*"], "excludes": ["*.o"]}, timeout=20, hide_up_dir="false", poolsize=2, poll_interval=10,
        )
    ).jobs  # fmt: skip

    assert (job.fault, job.remarks) == ("", ())
    assert job.config == JobConfig(
        id="mine", server="http://home:5000", directory="/home/anna/Docs", workspace="docs", label="Documents",
        remote_folder="sub/folder", user="anna", direction="down", frequency="time", solve="both",
        start_time=StartTime(h=3, m=30), active=False, filters=Filters(includes=("*",), excludes=("*.o",)), timeout=20,
        poolsize=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    "written,attribute,value",
    [
        ({"directory": "/home/anna/Docs//"}, "directory", "/home/anna/Docs"),
        ({"directory": "/home/anna/Docs\\"}, "directory", "/home/anna/Docs"),
        ({"directory": "/"}, "directory", "/"),
        ({"directory": "~/Docs"}, "directory", "/home/anna/Docs"),
        ({"server": "http://home:5000/"}, "server", "http://home:5000"),
        ({"remote_folder": "a\\b\\"}, "remote_folder", "a/b"),
        ({"workspace": 7}, "workspace", "7"),
        ({"workspace": None}, "workspace", ""),
        ({"monitor": False}, "frequency", "manual"),
        ({"monitor": True}, "frequency", "auto"),
        ({"monitor": False, "frequency": "time"}, "frequency", "time"),
        ({"filters": {}}, "filters", USUAL_FILTERS),
        ({"filters": {"includes": [], "excludes": []}}, "filters", Filters()),
    ],
)
def test_how_values_are_meant(written: dict[str, Any], attribute: str, value: Any) -> None:
    """Slashes at ends go, numbers of workspaces are names, `monitor` off is by hand, absent filters are the usual ones."""
    (job,) = read(json.dumps([one(**written)]).encode(), "/home/anna").jobs

    assert job.fault == ""
    assert getattr(job.config, attribute) == value


@pytest.mark.parametrize("bad", ["donw", "", 5, ["up"]])
def test_a_direction_that_nobody_knows_is_not_guessed(bad: Any) -> None:
    """The usual one could send files where they do not belong: the job waits until it is put right."""
    (job,) = array(one(direction=bad)).jobs

    assert "direction" in job.fault
    assert '"down"' in job.fault


@pytest.mark.parametrize(
    "key,bad,usual",
    [
        ("frequency", "hourly", "auto"),
        ("solve", ["both"], "manual"),
        ("start_time", {"h": 25, "m": 0}, StartTime()),
        ("start_time", "3:30", StartTime()),
        ("timeout", 0, 1),
        ("timeout", 10**400, 3600),
        ("timeout", "long", 60),
        ("poolsize", 2.5, 2),
    ],
)
def test_values_out_of_range_are_told_and_the_usual_taken(key: str, bad: Any, usual: Any) -> None:
    """A value that nobody knows stops no job."""
    (job,) = array(one(**{key: bad})).jobs

    assert job.fault == ""
    assert getattr(job.config, key) == usual
    assert len(job.remarks) == 1
    assert key in job.remarks[0]


@pytest.mark.parametrize(
    "raw,said",
    [
        (one(__type__=None), "__type__"),
        (one(__type__="Other"), "__type__"),
        (one(server=None), "address of its server"),
        (one(server="ftp://home"), "address of its server"),
        (one(server=5), '"server" is no text'),
        (one(directory=None), "folder on this computer"),
        (one(directory="Docs"), "written in full"),
        (one(directory="/a\0b"), "control characters"),
        (one(directory="/" + "a" * 5000), "too long"),
        (one(active="yes"), "neither true nor false"),
        (one(filters=["*.o"]), "filters"),
        (one(filters={"excludes": "*.o"}), "no list"),
        (one(filters={"excludes": [5]}), "no pattern"),
        (one(user="\ud800"), "no valid text"),
        (one(remote_folder="../other"), "without"),
        (None, "no object"),
        ("text", "no object"),
        ([], "no object"),
    ],
)
def test_a_job_that_cannot_be_read_is_named_and_stops_no_other(raw: Any, said: str) -> None:
    """The fault names the job, by number and id, and says what to do; the other job can run."""
    bad, good = array(raw, one(workspace="photos")).jobs

    assert said in bad.fault
    assert bad.fault.startswith(f"Job 1 of the file ({bad.config.id}): ")
    assert is_id(bad.config.id)
    assert good.fault == ""
    msgspec.json.encode(bad.config)


def test_keys_that_stand_there_twice() -> None:
    """Which one is meant nobody knows: the job has a fault, and both stay in the file when another job is changed."""
    twice = b'[{"__type__": "JobConfig", "server": "http://a", "server": "http://b", "directory": "/a"}]'
    (job,) = read(twice).jobs
    assert "'server' stands in it twice" in job.fault

    changed = read(twice).put(JobConfig(id="new", server="http://c", directory="/c"))
    assert changed.content().count(b'"server"') == 3

    same = b'{"x": ' + json.dumps(one()).encode() + b', "x": ' + json.dumps(one(workspace="b")).encode() + b"}"
    first, second = read(same).jobs
    assert (first.fault, first.config.id) == ("", "x")
    assert "Two jobs of the file have the id 'x'" in second.fault
    assert second.config.id != "x"


@pytest.mark.parametrize(
    "content,said",
    [
        (b"{", "no JSON"),
        (b"[NaN]", "no JSON"),
        (b"\xff\xfe[\x00", "UTF-8"),
        (b"5", "neither"),
        (json.dumps(one()).encode(), "one job by itself"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 30 + b"]" * 30, "nested too deeply"),
        (b" " * (5 * 1024 * 1024), "at most"),
        (b"[" + b"0," * MAX_JOBS + b"0]", "at most 1,000 jobs"),
        (b"[" + b"9" * 5000 + b"]", "no JSON"),
    ],
)
def test_files_that_are_no_job_files(content: bytes, said: str) -> None:
    """They are refused as a whole, in a sentence."""
    with pytest.raises(BadSettings, match=said):
        read(content)


@pytest.mark.parametrize("content", [b"", b" \n", b"[]", b"{}", b"\xef\xbb\xbf[]"])
def test_empty_files_have_no_jobs(content: bytes) -> None:
    """Also with the mark that Windows editors put first."""
    assert read(content).jobs == ()


# --- ids --------------------------------------------------------------------------------------------------------------


def test_ids_of_jobs_that_have_none() -> None:
    """Host and workspace, then with a number behind; ids that people wrote go first."""
    file = array(one(), one(directory="/b"), one(id="home-docs-1", directory="/c"), one(id="5", directory="/d"))

    assert [job.config.id for job in file.jobs] == ["home-docs", "home-docs-2", "home-docs-1", "home-docs-3"]
    assert job_id("https://anna@[::1]:5000/cloud", "Größe / 1", ()) == "--1--Größe---1".lstrip("-")


@given(st.text(max_size=40), st.text(max_size=40))
def test_every_made_id_is_one(server: str, workspace: str) -> None:
    """Whatever stands in server and workspace."""
    made = job_id(f"http://{server}", workspace, {"a"})
    if not any("\ud800" <= letter <= "\udfff" for letter in server + workspace):
        assert is_id(made)


def test_ids_stay_when_a_job_goes() -> None:
    """The array's shape names none; a job that goes must not make its neighbour another one."""
    file = array(one(), one(directory="/b"))
    kept = read(file.drop("home-docs").content())

    assert [(job.config.id, job.config.directory) for job in kept.jobs] == [("home-docs-1", "/b")]


# --- what is written --------------------------------------------------------------------------------------------------


def test_the_shape_and_what_is_not_ours_are_kept() -> None:
    """A change touches what changed, nothing else: other keys, their order, the numbers' spelling, other jobs."""
    content = (
        b'[{"extra": [1.50, {"deep": null}], "__type__": "JobConfig", "server": "http://a/", "directory": "/a/"}, 5]'
    )
    file = read(content)
    (job, _) = file.jobs
    changed = file.put(msgspec.structs.replace(job.config, label="Mine"))

    assert json.loads(changed.content()) == [
        {
            "extra": [1.5, {"deep": None}], "__type__": "JobConfig", "server": "http://a/", "directory": "/a/", "id": "a-a",
            "label": "Mine",
        },
        5,
    ]  # fmt: skip
    assert b"1.50" in changed.content()
    assert list(json.loads(changed.content())[0]) == ["extra", "__type__", "server", "directory", "id", "label"]


def test_a_password_is_read_once_and_taken_out() -> None:
    """It is given to who logs in, is in no repr, and nothing else of the job changes."""
    file = by_id(mine=one(password="secret", other=1), yours=one(directory="/b"))
    assert file.jobs[0].password == "secret"
    assert "secret" not in repr(file.jobs)

    without = file.drop_password("mine")
    assert b"secret" not in without.content()
    assert json.loads(without.content())["mine"] == one(other=1)
    assert file.drop_password("yours") is file
    assert b"secret" not in file.put(file.jobs[0].config).content()


def test_monitor_gives_way_to_a_chosen_frequency() -> None:
    """`monitor` is the old word for it: both would contradict each other."""
    file = array(one(monitor=False))
    changed = file.put(msgspec.structs.replace(file.jobs[0].config, frequency="auto"))

    assert read(changed.content()).jobs[0].config.frequency == "auto"
    assert "monitor" not in json.loads(changed.content())[0]


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
configs = st.builds(
    JobConfig,
    server=st.sampled_from(["http://home:5000", "https://cloud.example/path", "netdrive://home:4500"]),
    directory=st.sampled_from(["/a", "/home/anna/Größe", "/b c"]),
    id=st.sampled_from(["one", "two", "drei-3"]),
    workspace=texts, user=texts, label=texts, remote_folder=st.sampled_from(["", "a/b"]),
    direction=st.sampled_from(["bi", "up", "down"]), frequency=st.sampled_from(["auto", "manual", "time"]),
    start_time=st.builds(StartTime, h=st.integers(0, 23), m=st.integers(0, 59)),
    solve=st.sampled_from(["manual", "remote", "local", "both"]), active=st.booleans(),
    filters=st.builds(Filters, includes=st.lists(texts).map(tuple), excludes=st.lists(texts).map(tuple)),
    timeout=st.integers(1, 3600), poolsize=st.integers(1, 16),
)  # fmt: skip


@given(st.lists(configs, min_size=1), st.booleans())
def test_what_is_put_is_read_back(jobs: list[JobConfig], is_array: bool) -> None:
    """In both shapes, through any number of changes and by way of the bytes: the last word on each job holds."""
    file = read(b"[]" if is_array else b"{}")
    for config in jobs:
        file = read(file.put(config).content())

    assert {job.config.id: job.config for job in file.jobs} == {config.id: config for config in jobs}
    assert not any(job.fault for job in file.jobs)
    assert isinstance(json.loads(file.content()), list) == is_array


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
keys = st.sampled_from([*JobConfig.__struct_fields__, "__type__", "password", "monitor", "trust_ssl", "other"])


@given(st.lists(st.dictionaries(keys, json_values) | json_values, max_size=4), configs)
def test_absurd_files_are_read_and_nothing_of_them_is_lost(jobs: list[Any], new: JobConfig) -> None:
    """Whatever stands in a job, it is read without a crash, can be told, and stays where it is when another is added."""
    content = json.dumps([*jobs, one(id="good", directory="/good")]).encode()
    file = read(content)

    assert file.jobs[-1].fault == ""
    assert len({job.config.id for job in file.jobs}) == len(file.jobs)
    for job in file.jobs:
        msgspec.convert(msgspec.json.decode(msgspec.json.encode(job.config)), JobConfig)
    added = json.loads(file.put(msgspec.structs.replace(new, id="quite-new")).content())
    assert added[: len(jobs)] == json.loads(content)[: len(jobs)]

"""`homestow scan`: the article's configuration is read with every form it may have, and told to the last mistake."""

import json
from pathlib import Path

import pytest

from homestow.cli.entry import main
from homestow.cli.scanning import progress, read_config
from homestow.cli.troubles import Trouble


def config(tmp_path: Path, value: object) -> Path:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(value))
    return path


def test_the_articles_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Homes are expanded, passwords may be left out, merging is on unless it is turned off."""
    monkeypatch.setenv("HOME", "/home/terry")
    items = read_config(
        config(
            tmp_path,
            [
                {
                    "paths": ["~/work/temp/sharePath", "~/Downloads"],
                    "users": [{"name": "terry", "password": "123"}, {"name": "terry2", "password": "333"}],
                    "mergeRootPaths": 1,
                },
                {"paths": ["/User/Terry/syncFiles/t1"], "users": [{"name": "terry"}]},
                {"paths": ["t2"], "users": {"name": "terry2", "password": ""}, "merge": 0},
                {"paths": ["/t3"], "mergeRootPaths": False},
            ],
        )
    )
    assert items == [
        {
            "paths": ["/home/terry/work/temp/sharePath", "/home/terry/Downloads"],
            "people": [{"name": "terry", "password": "123"}, {"name": "terry2", "password": "333"}],
            "merge": True,
        },
        {"paths": ["/User/Terry/syncFiles/t1"], "people": [{"name": "terry", "password": None}], "merge": True},
        {"paths": [f"{tmp_path}/t2"], "people": [{"name": "terry2", "password": None}], "merge": False},
        {"paths": ["/t3"], "people": [], "merge": False},
    ]


@pytest.mark.parametrize(
    "value",
    [
        {}, [1], [{"users": []}], [{"paths": []}], [{"paths": "x"}], [{"paths": [""]}], [{"paths": ["/x"], "user": []}],
        [{"paths": ["/x"], "users": ["terry"]}], [{"paths": ["/x"], "users": [{"password": "x"}]}],
        [{"paths": ["/x"], "users": [{"name": "t", "password": 5}]}], [{"paths": ["/x"], "mergeRootPaths": 7}],
        [{"paths": ["/x"], "users": 5}], [{"paths": ["/x"], "users": [{"name": "t", "x": 1}]}],
    ],
)  # fmt: skip
def test_mistakes_do_nothing(tmp_path: Path, value: object, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names the file, exit code 2, and no data folder is touched."""
    path = config(tmp_path, value)
    assert main(["scan", "--data", str(tmp_path / "data"), "-i", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "c.json" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_unreadable_files(tmp_path: Path, data: bytes) -> None:
    """No JSON, no UTF-8, endless nesting: each is told."""
    path = tmp_path / "c.json"
    path.write_bytes(data)
    with pytest.raises(Trouble):
        read_config(path)
    with pytest.raises(Trouble):
        read_config(tmp_path / "nix.json")


def test_where_the_file_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the data folder, then here, under both of its names; else the command says what to do."""
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    assert main(["scan", "--data", str(data)]) == 2
    assert "-i FILE" in capsys.readouterr().err
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a").write_text("a")
    (tmp_path / "scanDiskConfig.json").write_text('[{"paths": ["p"], "users": [{"name": "terry", "password": "123"}]}]')
    assert main(["scan", "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert "p: " in out
    assert "1 new" in out
    assert main(["scan", "--data", str(data), "-p", "p"]) == 0
    assert "0 new" in capsys.readouterr().out
    assert main(["scan", "--data", str(data), "-p", str(data.parent)]) == 1
    assert main(["scan", "--data", str(data), "-p", "p", "-i", "x"]) == 2


def test_progress_lines() -> None:
    """Bar, count, rate and time left where they are known; never wider than the terminal."""
    step = {"what": "looking", "at": "/mnt/disk/photos", "done": 500, "all": 1000, "seconds": 5.0}
    line = progress(step, 200)
    assert line.startswith("[###############...............]  50%")
    assert "500 of 1,000" in line
    assert "100 /s" in line
    assert "5 s left" in line
    assert "/mnt/disk/photos" in line
    assert len(progress(step, 40)) < 40
    assert progress({**step, "all": 0}, 200).startswith("looking: 500  100 /s")

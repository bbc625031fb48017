"""What the guide of the sync service shows is so: its job files are read, and its commands are there."""

import json
import re
from pathlib import Path

import click
import pytest

from homestow.cli.commands import homestow
from homestow.wire.job_file import read

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "sync-service.md").read_text("utf-8")
FILES = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("text", FILES, ids=["array", "object"])
def test_the_job_files_are_read(text: str) -> None:
    """Without a fault or a remark, and each key in them, and only those, is in the table."""
    file = read(text.encode(), "/home/anna")
    assert len(file.jobs) == 1
    assert [(job.fault, job.remarks) for job in file.jobs] == [("", ())]
    whole = json.loads(text)
    (job,) = whole if isinstance(whole, list) else whole.values()
    rows = {
        key for row in re.findall(r"^\| (`[a-z_`, ]+) \|", GUIDE, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)
    }
    assert set(job) - {"__type__"} <= rows


def test_the_files_show_both_shapes() -> None:
    """An array, and an object by id."""
    assert [type(json.loads(text)) for text in FILES] == [list, dict]


@pytest.mark.parametrize("line", sorted(set(re.findall(r"^(homestow [a-z].*?)(?:  .*)?$", GUIDE, re.MULTILINE))))
def test_the_commands_are_there(line: str) -> None:
    """Each is taken by the command's own rules."""
    words = line.split()[1:]
    context = click.Context(homestow)
    command: click.Command | None = homestow.get_command(context, words[0])
    assert command is not None
    if words[0] != "sync":
        command.make_context(words[0], words[1:], parent=context)

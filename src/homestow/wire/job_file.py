"""The job file: jobs of the sync service as JSON, in the two shapes that people have (see `read`)."""

from collections.abc import Collection


def job_id(server: str, workspace: str, taken: Collection[str]) -> str:
    """An id for a job: `<host>-<workspace>`, then with `-1`, `-2` … behind it; none of `taken`."""
    host = server.partition("://")[2].partition("/")[0].rpartition("@")[2]
    host = host.rpartition(":")[0] or host
    name = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in f"{host}-{workspace}")
    name = name.strip("-.")[:80] or "job"
    if name.isdigit():
        name = f"job-{name}"
    number, chosen = 0, name
    while chosen in taken:
        number += 1
        chosen = f"{name}-{number}"
    return chosen

"""Orders that are about servers and accounts, not about jobs."""

from collections.abc import Callable
from typing import Any

from homestow.client.ports.accounts import Accounts
from homestow.values.errors import BadRequest
from homestow.wire import control


def ask_servers(
    order: control.AnyOrder,
    accounts: Accounts,
    config_of: Callable[[str], control.JobConfig],
    logged_in: Callable[[str], None],
) -> Any:
    """What such an order gives.

    Args:
        config_of: the configuration of a job.
        logged_in: told the server on which an account logged in.
    Raises:
        CloudError: it was refused; nothing was done.
    """
    match order:
        case control.Discover(seconds=seconds):
            return tuple(control.Found(name=each.name, url=each.url) for each in accounts.discover(seconds))
        case control.CheckServer(url=url):
            seen = accounts.check(url)
            return control.ServerSeen(url=seen.url, version=seen.version, user=seen.user, plain=seen.plain)
        case control.LogIn(url=url, user=user, password=password):
            accounts.log_in(url, user, password)
            logged_in(url)
            return _workspaces(accounts, url, user)
        case control.ListWorkspaces(url=url, user=user):
            return _workspaces(accounts, url, user)
        case control.ListFolders(url=url, user=user, workspace=space, path=path):
            return tuple(accounts.folders(url, user, space, path))
        case control.MakeFolder(url=url, user=user, workspace=space, path=path):
            accounts.make_folder(url, user, space, path)
            return tuple(accounts.folders(url, user, space, path.strip("/").rpartition("/")[0]))
        case control.Share(job=job, path=path, days=days, password=secret):
            config = config_of(job)
            there = "/".join(part for part in (config.remote_folder.strip("/"), path) if part)
            made = accounts.share(config.server, config.user, config.workspace, there, days, secret)
            return control.Link(url=made.url, id=made.id)
        case control.Unshare(job=job, link=link):
            config = config_of(job)
            accounts.unshare(config.server, config.user, link)
            return True
        case _:
            raise BadRequest("This service does not know such an order; update it.")


def _workspaces(accounts: Accounts, url: str, user: str) -> tuple[control.Workspace, ...]:
    return tuple(
        control.Workspace(
            id=space.id,
            name=space.name,
            rights="own" if space.rights == "own" else "write" if space.rights == "write" else "read",
        )
        for space in accounts.spaces(url, user)
    )

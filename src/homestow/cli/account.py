"""`homestow passwd` and `homestow logout`: the own account on a server."""

import click

from homestow.cli.asking import Command, server_options
from homestow.cli.passwords import ask_password, given_password
from homestow.cli.troubles import USAGE, Trouble
from homestow.client.adapters.api_client import Client
from homestow.client.adapters.logins import Login, Logins, check_digits
from homestow.client.adapters.this_computer import device_name
from homestow.values.errors import CloudError


@click.command(cls=Command, example="homestow passwd -s https://home.example:5000 -u anna")
@server_options
@click.option(
    "--password-stdin",
    is_flag=True,
    help="Read the new password from standard input; the old one is in HOMESTOW_PASSWORD.",
)
def passwd(server: str, user: str | None, password_stdin: bool) -> None:
    """Change your own password. All your other devices are logged out."""
    known = Logins().find(server, user) if user else Logins().only(server)
    user = user or (known.user if known else None)
    if user is None:
        raise Trouble(f"who are you on {server}? Name your account with -u USER.", USAGE)
    old = given_password() or ask_password(f"Present password of {user}")
    if not old:
        raise Trouble("no present password: set HOMESTOW_PASSWORD, or run it in a terminal to be asked.", USAGE)
    if password_stdin:
        new = given_password(stdin=True)
        assert new is not None
    else:
        new = ask_password("New password", twice=True) or ""
        if not new:
            raise Trouble("no new password: write it to standard input with --password-stdin.", USAGE)
    client = Client(server)
    try:
        # A login of its own: the change logs every other device out, also the token kept here.
        fresh = client.login(user, old, device_name())
        client.change_password(old, new)
    finally:
        client.close()
    Logins().keep(Login(server, user, fresh.token, check_digits(fresh.token, new)))
    print(f"the password of {user} is changed; this computer stays logged in, all other devices are logged out.")


@click.command(cls=Command, example="homestow logout -s https://home.example:5000 -u anna")
@server_options
def logout(server: str, user: str | None) -> None:
    """Forget the login that this computer keeps for a server."""
    logins = Logins()
    known = logins.find(server, user) if user else logins.only(server)
    if known is None:
        raise Trouble(
            f"no login for {server} is kept here" + ("." if user else "; with several, name one with -u USER.")
        )
    client = Client(server, known.token)
    try:
        client.logout()
        said = "logged out."
    except CloudError as error:
        said = f"forgotten here; the server was not told: {error.message}"
    finally:
        client.close()
    logins.drop(known.server, known.user)
    print(said)

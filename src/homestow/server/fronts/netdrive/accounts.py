"""What both dialects with logins have in common: accounts."""

from homestow.server.border import Lane
from homestow.server.fronts.netdrive.conversation import Conversation, Ended
from homestow.server.rules.access import Principal
from homestow.values.errors import BadRequest
from homestow.wire.netdrive import Dialect, Error, Request, Say, answer_to


async def sign_up(talk: Conversation, asked: Request) -> bytes:
    """A new account, not logged in."""
    user, password = _given(asked)
    await talk.cross(lambda: talk.drive.sessions.sign_up(user, password, talk.stream.peer), Lane.LOGIN)
    return answer_to(asked, Error.OK, Say.SIGNED_UP)


async def log_in(talk: Conversation, asked: Request) -> bytes:
    """The user's session."""
    user, password = _given(asked)
    sessions = talk.drive.sessions

    def enter() -> tuple[str, Principal]:
        session = sessions.log_in(user, password, talk.stream.peer)
        return session, sessions.check(session)

    session, who = await talk.cross(enter, Lane.LOGIN)
    talk.seated(who)
    return answer_to(asked, Error.OK, Say.LOGGED_IN, session=session)


async def log_out(talk: Conversation, asked: Request) -> None:
    """One login less. The final dialect says nothing; in both the connection is closed."""
    session = asked.text("session")

    def leave(who: Principal) -> None:
        talk.drive.sessions.log_out(session)

    await talk.use(asked, leave)
    if asked.dialect is Dialect.DOCUMENTED:
        await talk.stream.write(answer_to(asked, Error.OK, "logout success"))
    raise Ended


async def change_password(talk: Conversation, asked: Request) -> bytes:
    """Another password; all other logins end."""
    session = asked.text("session")

    def change(who: Principal) -> None:
        sessions, fields = talk.drive.sessions, asked
        sessions.change_password(session, fields.text("password"), fields.text("new_password"), talk.stream.peer)

    await talk.use(asked, change, Lane.LOGIN)
    return answer_to(asked, Error.OK, "changepwd success")


def _given(asked: Request) -> tuple[str, str]:
    if asked.trouble is not None:
        raise BadRequest(asked.trouble)
    return asked.text("username"), asked.text("password")

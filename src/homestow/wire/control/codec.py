"""Orders, answers and publications as frames, and back."""

from typing import Any

import msgspec

from homestow.wire.control.news import AnyNews, topic_of
from homestow.wire.control.orders import GIVES, Answered, AnyOrder, Asked, Order, Refused
from homestow.wire.control.values import MAX_MESSAGE_BYTES, TOPIC, VERSION

_asked = msgspec.json.Decoder(Asked)
_news = msgspec.json.Decoder(AnyNews)
_json = msgspec.json.Encoder()


def encode_order(order: AnyOrder) -> bytes:
    """An order as one frame."""
    return _encode(Asked(order=order))


def decode_order(frame: bytes) -> AnyOrder | Refused:
    """The order in a frame, or why it is none; never raises."""
    if len(frame) > MAX_MESSAGE_BYTES:
        return Refused(code="bad-request", message=f"An order has at most {MAX_MESSAGE_BYTES:,} bytes.")
    try:
        asked = _asked.decode(frame)
    except msgspec.ValidationError as error:
        return Refused(code="bad-request", message=f"This is no order of version {VERSION}: {error}.")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Refused(code="bad-request", message="This is no JSON of an order.")
    if asked.version != VERSION:
        return Refused(
            code="wrong-version",
            message=f"This service speaks version {VERSION} of the control protocol; update the older end.",
        )
    return asked.order


def encode_answer(gave: Any) -> bytes:
    """What an order gave, as one frame; `Refused` becomes the refusal."""
    if isinstance(gave, Refused):
        return _encode(Answered(refused=gave))
    return _encode(Answered(gave=msgspec.Raw(_encode(gave))))


def decode_answer(frame: bytes, order: type[Order]) -> Any:
    """What the order gave, of the type in `GIVES`, or `Refused`.

    Raises:
        ValueError: the frame is no answer to this order.
    """
    try:
        answered = msgspec.json.decode(frame, type=Answered)
        if answered.refused is not None:
            return answered.refused
        if not bytes(answered.gave):
            raise ValueError("An answer without content.")
        return msgspec.json.decode(answered.gave, type=GIVES[order])
    except RecursionError as error:
        raise ValueError("An answer that is nested too deeply.") from error


def encode_news(news: AnyNews) -> bytes:
    """A publication as one frame: topic, a space, JSON."""
    return topic_of(news).encode() + b" " + _encode(news)


def decode_news(frame: bytes) -> AnyNews:
    """The news in a frame.

    Raises:
        ValueError: it is none of ours.
    """
    topic, space, body = frame.partition(b" ")
    if not space or not topic.startswith(TOPIC.encode()):
        raise ValueError("Not a publication of this version.")
    try:
        news: AnyNews = _news.decode(body)
    except RecursionError as error:
        raise ValueError("A publication that is nested too deeply.") from error
    return news


def _encode(message: Any) -> bytes:
    """JSON of a message. Names of files that are no text (surrogates stand for their bytes) are shown with U+FFFD in them."""
    try:
        return _json.encode(message)
    except UnicodeEncodeError:
        return _json.encode(_as_text(msgspec.to_builtins(message)))


def _as_text(value: Any) -> Any:
    match value:
        case str():
            return value.encode(errors="surrogatepass").decode(errors="replace")
        case dict():
            return {key: _as_text(each) for key, each in value.items()}
        case list() | tuple():
            return [_as_text(each) for each in value]
        case _:
            return value

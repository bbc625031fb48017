"""Which requests are heard at all: those that no web page of another origin can have made (S86).

A browser lets any page send requests to loopback, and a name of the page's own choice may lead there (DNS rebinding). Such a request
bears the wrong Host, or says by Origin, Sec-Fetch-Site or Referer where it comes from. All are looked at; each alone would do for
some browsers only. What then remains are programs of this computer and our own page, and they need a secret (see `sessions`, `digest`).
"""

from http import HTTPStatus
from urllib.parse import urlsplit

from homestow.client.control.web.asking import JSON, Asking, Reply, trouble

OUR_SITES = frozenset({"same-origin", "none"})
"""Sec-Fetch-Site of our own page, and of an address that a person typed; "same-site" is another port of this computer."""


def hosts(port: int) -> frozenset[str]:
    """What Host may say."""
    return frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})


def refusal(asking: Asking, port: int, public: bool) -> Reply | None:
    """Why a request is not heard, or None.

    Args:
        public: what is asked for is the page itself, which holds nothing secret: a link or a file may lead there, in a window of its own.
    """
    host = asking.headers.get("host", "").lower()
    if host not in hosts(port):
        return trouble(HTTPStatus.MISDIRECTED_REQUEST, f"This is 127.0.0.1:{port} and answers to no other name.")
    if _from_elsewhere(asking, f"http://{host}", public):
        return trouble(HTTPStatus.FORBIDDEN, "Web pages of other origins are not heard here.")
    if asking.method == "POST" and asking.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        return trouble(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON, with Content-Type: application/json.")
    return None


def _from_elsewhere(asking: Asking, ours: str, public: bool) -> bool:
    origin, site = asking.headers.get("origin"), asking.headers.get("sec-fetch-site")
    if origin is not None and origin.lower() != ours:
        return True
    if site is not None:
        opened = (
            asking.headers.get("sec-fetch-mode") == "navigate" and asking.headers.get("sec-fetch-dest") == "document"
        )
        return site not in OUR_SITES and not (public and opened and asking.method in ("GET", "HEAD"))
    referer = asking.headers.get("referer")
    return referer is not None and not public and _origin_of(referer) != ours


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()

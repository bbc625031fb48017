"""A real browser without a screen, driven over a pair of pipes by the protocol of its developer tools."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DEADLINE_S = 30.0
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-default-apps", "--disable-extensions", "--disable-sync", "--mute-audio", "--no-proxy-server",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider", "--hide-scrollbars", "--lang=en-US",
    "--font-render-hinting=none", "--remote-debugging-pipe",
)  # fmt: skip

PUT_PIPES = """
import fcntl, os, sys
reading, writing = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(reading, 3)
os.dup2(writing, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The browser reads from 3 and writes to 4, wherever the pipes were."""


class Chromium:
    """One browser with a profile of its own."""

    def __init__(self, process: "subprocess.Popen[bytes]", reading: int, writing: int) -> None:
        self._process = process
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._number = 0
        self.events: deque[dict[str, Any]] = deque(maxlen=10_000)

    def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        """One command and its result."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + DEADLINE_S
        while True:
            answer = self._next(ends)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def tab(self, *, width: int = 1280, height: int = 800) -> "Tab":
        """A new empty tab of a session of its own."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = Tab(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            tab.call(f"{domain}.enable")
        tab.size(width, height)
        return tab

    def _next(self, ends: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, ends - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._reading, 1 << 20)
            assert piece, "the browser ended"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


class Tab:
    """One tab."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.browser = browser
        self.session = session

    def call(self, method: str, **params: Any) -> Any:
        """One command to this tab."""
        return self.browser.call(method, self.session, **params)

    def go(self, url: str) -> None:
        """Open an address, without waiting for more than that it is on its way."""
        self.call("Page.navigate", url=url)

    def run(self, script: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, script: str) -> None:
        """Come back as soon as an expression is true."""
        ends = time.monotonic() + DEADLINE_S
        while True:
            # While a page loads there may be nobody to ask.
            asked = f"Boolean({script})"
            if self.call("Runtime.evaluate", expression=asked, returnByValue=True)["result"].get("value"):
                return
            if time.monotonic() > ends:
                shown = self.run("document.body.innerText")
                raise AssertionError(f"{script}: never; the page shows {shown!r}; {self.complaints()}")
            time.sleep(0.05)

    def text(self) -> str:
        """All that can be read on the page."""
        shown: str = self.run("document.body.innerText")
        return shown

    def press(self, *keys: str) -> None:
        """Press keys, as a person would."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowDown": 40, "ArrowUp": 38}
        for key in keys:
            facts = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
            if key in ("Enter", " "):
                facts["text"] = "\r" if key == "Enter" else " "
            self.call("Input.dispatchKeyEvent", type="keyDown", **facts)
            self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def size(self, width: int, height: int) -> None:
        """Size of the page in CSS pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def look(self, scheme: str) -> None:
        """What the desktop prefers: "light" or "dark"; nothing moves by itself."""
        wanted = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.call("Emulation.setEmulatedMedia", features=wanted)

    def shoot(self, path: Path) -> None:
        """A picture of what is seen."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the browser's console said as errors."""
        self.run("0")
        found = []
        for event in self.browser.events:
            if event.get("sessionId") != self.session:
                continue
            match event.get("method"):
                case "Runtime.exceptionThrown":
                    found.append(json.dumps(event["params"]["exceptionDetails"])[:600])
                # That a file is no picture is an answer like another.
                case "Log.entryAdded" if event["params"]["entry"][
                    "level"
                ] == "error" and "/control/preview?" not in event["params"]["entry"].get("url", ""):
                    found.append(f"{event['params']['entry']['text']} {event['params']['entry'].get('url', '')}")
                case _:
                    pass
        return found


@contextmanager
def browsing(folder: Path, *flags: str) -> Iterator[Chromium]:
    """A browser whose profile lies in a folder, until the end of the block."""
    assert PROGRAM, "chromium is needed: apt-get install chromium"
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    words = [PROGRAM, *FLAGS, f"--user-data-dir={folder}", *flags, "about:blank"]
    process = subprocess.Popen(
        [sys.executable, "-c", PUT_PIPES, str(theirs_in), str(theirs_out), *words],
        pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "LANGUAGE": "en_US", "LC_ALL": "C.UTF-8"}, start_new_session=True,
    )  # fmt: skip
    os.close(theirs_in)
    os.close(theirs_out)
    browser = Chromium(process, ours_in, ours_out)
    try:
        yield browser
        browser.call("Browser.close")
    finally:
        try:
            process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
        os.close(ours_in)
        os.close(ours_out)

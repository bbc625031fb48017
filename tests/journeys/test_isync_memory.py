"""What a phone's upload costs the server: room on the disk, not memory."""

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.journeys.cli_processes import PASSWORD, Home, Serving

pytestmark = pytest.mark.serial

MIB = 1024 * 1024
SENT = 256 * MIB
MOST_MEMORY_KIB = 48 * 1024


def ask(server: Serving, cookie: str, method: str, target: str) -> tuple[Any, str]:
    """`data` of an answer, and the cookie."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, target, headers={"Cookie": cookie})
        response = connection.getresponse()
        cookie = (response.getheader("Set-Cookie") or cookie).partition(";")[0]
        answer = json.loads(response.read())
        assert answer["code"] == 0, answer
        return answer["data"], cookie
    finally:
        connection.close()


def highest_kib(pid: int) -> int:
    """The most memory a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_a_gibibyte_declared_costs_no_memory(tmp_path: Path) -> None:
    """A quarter of it is sent, then the connection breaks: the server has never held more than a few pieces of it."""
    home = Home(tmp_path / "home")
    home.fine("user", "add", "anna", "--data", home.data)
    with home.server() as server:
        _, cookie = ask(server, "", "POST", "/login.icc?" + urlencode({"userName": "anna", "password": PASSWORD}))
        (root,), _ = ask(server, cookie, "GET", "/catalogs.icc?pids=-1")
        given = {"cid": root["id"], "name": "film", "size": 1024 * MIB, "type": 4, "ext": "mp4"}
        info, _ = ask(server, cookie, "POST", "/uploadFileInfo.icc?" + urlencode(given))
        head = b'--B\r\nContent-Disposition: form-data; name="f"; filename="origin"\r\n\r\n'
        before = highest_kib(server.process.pid)
        host, _, port = server.url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                f"POST /uploadFile.icc?id={info['id']} HTTP/1.1\r\nHost: x\r\nCookie: {cookie}\r\n"
                f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {1024 * MIB + 500}\r\n\r\n".encode()
            )
            connection.sendall(head)
            block = bytes(range(256)) * 4096
            for _ in range(SENT // MIB):
                connection.sendall(block)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        (waiting,), _ = ask(server, cookie, "GET", "/uploadingInfo.icc")
        assert 0 < waiting["uploadingOriginSize"] <= SENT
        assert highest_kib(server.process.pid) - before < MOST_MEMORY_KIB

"""The server's process with netdrive and PiCloud beside HTTP: the ready line, TLS and plain on one port, the end."""

import json
import socket
import ssl
import time
from pathlib import Path

import pytest
import trustme
from tests.journeys.cli_processes import PASSWORD, Home, Serving, stop

pytestmark = pytest.mark.serial

FRONTS = ("netdrive", "picloud")
BOTH = ("--netdrive", "127.0.0.1:0", "--picloud", "127.0.0.1:0")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A person's home folder."""
    return Home(tmp_path / "home")


def connect(server: Serving, front: str, tls: ssl.SSLContext | None = None) -> socket.socket:
    host, _, port = str(server.ready[front]).rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=20)
    return sock if tls is None else tls.wrap_socket(sock, server_hostname="localhost")


def log_in(sock: socket.socket, front: str) -> bytes:
    """What anna is answered."""
    if front == "netdrive":
        sock.sendall(f"login\n{json.dumps({'username': 'anna', 'password': PASSWORD})}\0".encode())
    else:
        payload = f"{PASSWORD}::::::::::anna::::::::::id".encode()
        sock.sendall(len(payload).to_bytes(4) + payload)
    got = b""
    while b"success" not in got and (part := sock.recv(1000)):
        got += part
    return got


def test_both_answer_beside_http_and_end_with_it(home: Home) -> None:
    """The ready line has their addresses; SIGTERM ends silent, half-said and half-sent connections within ten seconds."""
    with home.server(*BOTH) as server:
        home.fine("user", "add", "anna", "--data", home.data)
        for front in FRONTS:
            with connect(server, front) as sock:
                assert b"success" in log_in(sock, front)
        held = [connect(server, front) for front in FRONTS for _ in range(3)]
        held[0].sendall(b"log")
        held[1].sendall(b'{"type":"upload","session":"')
        held[3].sendall(b"\0\0")
        held[4].sendall(b"\0\x10\0\0abc")
        began = time.monotonic()
        ended = stop(server.process)

    assert (ended.code, ended.out) == (0, "")
    assert time.monotonic() - began < 10
    assert "Traceback" not in ended.err
    assert PASSWORD not in ended.err
    for sock in held:
        assert sock.recv(1000) in (b"", b"\0\0\0\x09FileError")
        sock.close()


def test_settings_take_the_place_of_flags(home: Home) -> None:
    """S102: nothing but HTTP answers unless it is asked for; a table in the file does."""
    with home.server() as server:
        assert not set(FRONTS) & set(server.ready)
    (home.data / "homestow.toml").write_text('[netdrive]\naddress = "127.0.0.1:0"\n')
    with home.server() as server:
        assert set(FRONTS) & set(server.ready) == {"netdrive"}
        connect(server, "netdrive").close()


@pytest.mark.parametrize("front", FRONTS)
def test_what_stands_in_the_way_is_one_line(home: Home, front: str) -> None:
    """A taken port is named; beyond this machine plain needs a word; no process is left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = home.run("serve", "--data", home.data, "--http", "127.0.0.1:0", f"--{front}", address)
    assert (ran.code, ran.out) == (4, "")
    assert address in ran.line

    ran = home.run("serve", "--data", home.data, "--http", "127.0.0.1:0", f"--{front}", "0.0.0.0:0")
    assert (ran.code, ran.out) == (2, "")
    assert f"Plain {front}" in ran.line
    assert "--allow-plain" in ran.line


def test_TLS_and_plain_on_one_port(home: Home) -> None:
    """With a certificate each front takes both from this machine."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    cert, key = home.path / "cert.pem", home.path / "key.pem"
    issued.private_key_pem.write_to_path(str(key))
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(cert), append=number > 0)
    key.chmod(0o600)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    home.fine("user", "add", "anna", "--data", home.data)
    with home.server(*BOTH, "--tls-cert", cert, "--tls-key", key) as server:
        for front in FRONTS:
            for tls in (trust, None):
                with connect(server, front, tls) as sock:
                    assert b"success" in log_in(sock, front)

"""The PiCloud library as its document has it: everything here is public, and `from pycloud import *` brings all of it.

Two scripts of a few lines make a server and a client of it (`docs/guides/pycloud.md`). For the accounts, rights and
versions of a whole server, `homestow serve --picloud` speaks the same protocol.
"""

import logging
import socket

from pycloud.accounts import User, get_cwu
from pycloud.framing import proc_block, recv_all
from pycloud.sockets import ClientSocket, ServerSocket
from pycloud.talking import ReceivedFile, evaluate, pre_proc, send_file

__all__ = [
    "ClientSocket",
    "ReceivedFile",
    "ServerSocket",
    "User",
    "evaluate",
    "get_cwu",
    "logging",
    "pre_proc",
    "proc_block",
    "recv_all",
    "send_file",
    "socket",
]

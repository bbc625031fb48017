"""The TCP ground that netdrive and picloud stand on, and of which HTTP shares the parts that are not HTTP.

Public: `serving` (listening, TLS and plain on one port, caps, closing), `stream` (one connection: reading with deadlines, bodies
in and contents out), `listening` (addresses, certificates), and the parts below them: `blocks` and `intake` (bodies from the
socket into memory that a worker empties), `files` (contents out without copying where the kernel can do it), `peers`.
It knows no protocol, no account and no service.
"""

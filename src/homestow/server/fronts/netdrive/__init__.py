"""The netdrive protocol: phase 0, the documented list and the final dialect, on one port.

Public: what serves a connection (`front.NetdriveFront`). Messages: `homestow.wire.netdrive`; worked bytes: docs/protocols/netdrive.md.
"""

"""Codecs between bytes and messages, one file per protocol, used alike by server, client and tests.

Public: the message types and their encode and decode functions. Nothing here opens a socket or reads a clock.
"""

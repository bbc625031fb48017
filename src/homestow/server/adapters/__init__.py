"""The ports made real: databases, disks, object stores, media tools, and their twins in memory.

Public to ``homestow.server.bootstrap`` and to the contract tests only.
"""

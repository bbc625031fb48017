"""The client's ports made real: servers, disks, state files, watchers, and their twins in memory.

Public to ``homestow.client.bootstrap`` and to the contract tests only.
"""

"""Homestow: a self-hosted family cloud of ordinary files in ordinary folders.

One server keeps one tree of plain files per root and serves it to every kind of client; one sync client keeps local
folders in step with it. Start reading at ``docs/design/README.md``.
"""

__version__ = "0.1.0"

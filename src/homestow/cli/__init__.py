"""The ``homestow`` command, one module per group of commands.

Public: ``main``, which the installed command calls. Nothing costly is imported before it is known which command is wanted.
"""

from homestow.cli.entry import main

__all__ = ["main"]

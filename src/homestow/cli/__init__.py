"""The ``homestow`` command, one module per group of commands.

Public: ``main``, which the installed command calls.
"""

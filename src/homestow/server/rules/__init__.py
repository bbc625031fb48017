"""Pure decisions of the server: who may do what, how much, for how long, and under which name on disk.

Public: the functions and value types of the modules here. They take values and return values.
"""

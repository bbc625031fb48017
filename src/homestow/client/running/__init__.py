"""Carrying out what the engine chose, one checked step at a time, for one pass or until stopped.

Public: the cycle, the executor and the daemon, for bootstrap.
"""

"""One package per protocol: parse, call the service through the border, answer.

Public: each front's way to be mounted, for bootstrap. No front imports another; ``fronts.http`` is the HTTP base they share.
"""

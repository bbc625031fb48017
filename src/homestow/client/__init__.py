"""The sync client: keeps local folders in step with roots on a server.

Public: ``bootstrap`` (puts a client together) and ``settings``. Direction inside:
running -> engine and ports -> values, and adapters -> ports.
"""

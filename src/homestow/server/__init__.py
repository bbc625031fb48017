"""The server: one tree of ordinary files, served to every front.

Public: ``bootstrap`` (puts a server together) and ``settings``. Direction inside:
fronts -> border -> service -> ports -> rules -> values, and adapters -> ports.
"""

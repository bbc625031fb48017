"""What the client needs from the world, as Protocols: remote, local tree, state, watcher, clock.

Public: the Protocols and the value types they speak in. Every promise is tested in ``tests/contracts`` over each adapter.
"""

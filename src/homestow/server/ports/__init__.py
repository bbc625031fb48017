"""What the service needs from the world, as Protocols with their promises written down.

Public: the Protocols and the value types they speak in. Every promise is tested in ``tests/contracts`` over each adapter.
"""

"""What to do next, decided from what three trees show. Pure: no disk, network, thread, clock or chance.

Public: the value types and functions of the modules here, ``plan`` before all.
"""

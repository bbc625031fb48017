"""The isync calls: phones and their media, as ``homestow.wire.isync`` describes it.

Public: what mounts its routes (`front`), and what all calls stand on (`binding`).
"""

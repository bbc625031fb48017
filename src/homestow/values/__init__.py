"""Facts both ends share: ids, paths, digests, nodes, changes, errors. Standard library only, and no I/O, clock or chance.

Public: everything the modules here define without a leading underscore.
"""

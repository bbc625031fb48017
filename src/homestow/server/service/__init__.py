"""The use cases, as plain synchronous functions that speak to ports only.

Public: the classes and functions the fronts call through ``homestow.server.border`` and the command line through bootstrap.
"""

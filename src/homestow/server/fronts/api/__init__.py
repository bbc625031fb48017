"""The native API under ``/api/v1``: JSON over HTTP as ``homestow.wire.calls`` describes it.

Public: what mounts its routes.
"""

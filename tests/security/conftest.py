"""A real server over HTTP for each module, or one for a single test."""

from tests.fronts.api.conftest import rig, shared

__all__ = ["rig", "shared"]

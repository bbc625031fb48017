"""The Ditto messages and calls."""

"""The Ditto services over gRPC, and what of them the HTTP address answers."""

import os

# What strangers send badly is no line in anybody's log (S35); it must be said before the library is loaded.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

"""The Ditto services over gRPC, and what of them the HTTP address answers."""

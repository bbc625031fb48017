"""The HTTP ground that every HTTP front stands on; it knows no account, no catalogue and no service.

Public: `routing` (which handler a path asks for), `serving` (listening, limits, errors, the access log), `sending` (content out,
with ranges and conditions), `receiving` (bodies in), `problems` (the errors a handler may raise), and the pure parts
`ranges` and `disposition`.
"""

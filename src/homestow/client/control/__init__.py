"""How the sync service is steered: the ZeroMQ hub and link, and the local HTTP API. Windows, pages and shells reach it only here."""

"""What tests of several fronts need."""

import ssl
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, ssl.SSLContext]:
    """A certificate for localhost, its key, and a client's trust in it."""
    import trustme

    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    key, cert = folder / "key.pem", folder / "cert.pem"
    issued.private_key_pem.write_to_path(key)
    cert.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return cert, key, trust

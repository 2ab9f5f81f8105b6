"""A certificate that the parts of an installation check."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from tests.fakes.kubernetes_api import fake_api

from skyrail.errors import SkyrailError
from skyrail.operations import secrets
from skyrail.operations.certificates import KEYS, certificate

HOSTS = ["sky-postgresql", "sky-postgresql.team"]


def _shake(folder: Path, made: dict[str, str], authority: str, host: str) -> None:
    """Let a client that trusts an authority shake hands with a server, by Python's own TLS."""
    for name, text in made.items():
        (folder / name).write_text(text)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    client = ssl.create_default_context(cadata=authority)
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except (ssl.SSLError, OSError):
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=host).close()
    finally:
        here.close()
        thread.join(10)


@pytest.mark.parametrize(
    ("authority", "host", "refused"),
    [
        pytest.param("its own", "sky-postgresql", "", id="00 by its authority"),
        pytest.param("its own", "sky-postgresql.team", "", id="10 by another name"),
        pytest.param("its own", "sky-valkey", "Hostname mismatch", id="20 for another host"),
        pytest.param("another", "sky-postgresql", "CERTIFICATE_VERIFY_FAILED", id="30 by another authority"),
    ],
)
def test_it_is_checked(tmp_path: Path, authority: str, host: str, refused: str):
    """As strictly as Python 3.13 does by itself."""
    made = certificate(HOSTS)
    trusted = made["ca.crt"] if authority == "its own" else certificate(HOSTS)["ca.crt"]
    if not refused:
        _shake(tmp_path, made, trusted, host)
        return
    with pytest.raises(ssl.SSLCertVerificationError, match=refused):
        _shake(tmp_path, made, trusted, host)


def test_nobody_can_sign_another():
    """The authority's key is in no file, and the certificate is none of an authority."""
    made = certificate(HOSTS)
    key = x509.load_pem_x509_certificate(made["ca.crt"].encode()).public_key()
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    assert load_pem_private_key(made["tls.key"].encode(), None).public_key() != key
    signed = x509.load_pem_x509_certificate(made["tls.crt"].encode())
    assert not signed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_the_job_makes_all_three_and_leaves_them():
    argument = f"sky-tls/certificate:{','.join(HOSTS)}"
    with fake_api() as (api, cluster):
        api.secret("sky-tls")
        [(name, keys)] = secrets.wanted([argument]).items()
        assert secrets.fill(cluster, name, keys) == sorted(KEYS)
        before = dict(api.objects["secrets/sky-tls"]["data"])
        assert b"BEGIN CERTIFICATE" in base64.b64decode(before["tls.crt"])
        assert secrets.fill(cluster, name, keys) == []
        # Two halves would not fit together.
        del api.objects["secrets/sky-tls"]["data"]["tls.key"]
        assert secrets.fill(cluster, name, keys) == sorted(KEYS)
        assert api.objects["secrets/sky-tls"]["data"]["ca.crt"] != before["ca.crt"]


@pytest.mark.parametrize("argument", ["sky-tls/certificate:", "sky-tls/certificate:a,,b", "sky-tls/tls.crt"])
def test_a_certificate_for_nobody_is_refused(argument: str):
    with pytest.raises(SkyrailError, match="names no key of a Secret"):
        secrets.wanted([argument])

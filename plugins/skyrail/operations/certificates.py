"""A certificate for the parts of one installation, and the authority that signed it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

YEARS = 10

KEYS = ("ca.crt", "tls.crt", "tls.key")
"""As a Secret of the type kubernetes.io/tls has them, with the authority that cert-manager adds."""


def certificate(hosts: Sequence[str]) -> dict[str, str]:
    """Return a new authority, a certificate for some hosts, and its key, as PEM by the names in `KEYS`.

    The authority's own key is forgotten: nobody can sign a second certificate that the parts would trust. It is valid
    for ten years, since parts read it at their start; a new one is made when these keys are taken out of the Secret.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    # A clock of a node that is behind must not find it in the future.
    start = datetime.now(UTC) - timedelta(hours=1)
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def builder(subject: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("Skyrail's own authority"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=365 * YEARS))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        )

    usage = {
        "digital_signature": False,
        "content_commitment": False,
        "key_encipherment": False,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": False,
        "crl_sign": False,
        "encipher_only": False,
        "decipher_only": False,
    }
    signed_by = (
        builder("Skyrail's own authority", authority.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "key_cert_sign": True, "crl_sign": True}), critical=True)
        .sign(authority, hashes.SHA256())
    )
    signed = (
        builder(hosts[0], key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**{**usage, "digital_signature": True}), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(authority, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = [one.public_bytes(serialization.Encoding.PEM) for one in (signed_by, signed)]
    return dict(zip(KEYS, (text.decode() for text in (*pem, private)), strict=True))

"""Reads certificates and keys with the `openssl` program, passing them only on standard input."""

import re
import ssl
import time
from hashlib import sha256
from typing import NamedTuple

from agent.errors import RefusedError
from agent.system import run

BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----\n.+?\n-----END \1-----", re.DOTALL)
CERTIFICATE_FIELDS = "-startdate", "-enddate", "-subject", "-issuer", "-pubkey", "-ext", "basicConstraints"


class Certificate(NamedTuple):
    """A certificate and its fields."""

    pem: str
    # Seconds since 1970
    starts: float
    ends: float
    subject: str
    issuer: str
    public_key: str
    is_ca: bool

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in hexadecimal."""
        return sha256(ssl.PEM_cert_to_DER_cert(self.pem)).hexdigest()

    @property
    def end_date(self) -> str:
        """The day on which it expires, in UTC."""
        return time.strftime("%Y-%m-%d", time.gmtime(self.ends))

    def valid_at(self, moment: float) -> bool:
        """Whether it is within its validity period."""
        return self.starts <= moment < self.ends

    def names(self, hostname: str) -> bool:
        """Whether it covers the host name, directly or by a wildcard."""
        answer = run(["openssl", "x509", "-noout", "-checkhost", hostname], text=self.pem, check=False)
        return "does match certificate" in answer.stdout


def read_certificates(pem: str, what: str) -> list[Certificate]:
    """Parses a PEM text of certificates only; raises HostError that calls the text `what`."""
    blocks = _blocks(pem)
    if not blocks or any(label != "CERTIFICATE" for label, _ in blocks):
        raise RefusedError(f"the {what} is not in PEM form, or not only a certificate")
    return [_certificate(block, what) for _, block in blocks]


def read_private_key(pem: str) -> tuple[str, str]:
    """The only private key of a PEM text, and its public key to compare with a certificate's."""
    keys = [block for label, block in _blocks(pem) if label.endswith("PRIVATE KEY")]
    # An empty passphrase makes openssl refuse an encrypted key instead of prompting.
    command = ["openssl", "pkey", "-pubout", "-passin", "pass:"]
    result = run(command, text=keys[0], check=False) if len(keys) == 1 else None
    if result is None or result.returncode != 0:
        raise RefusedError("the private key is not one unencrypted key in PEM form")
    return keys[0] + "\n", result.stdout.strip()


def _blocks(pem: str) -> list[tuple[str, str]]:
    unix = "\n".join(line.rstrip() for line in pem.splitlines())
    return [(match[1], match[0]) for match in BLOCK.finditer(unix)]


def _certificate(pem: str, what: str) -> Certificate:
    command = ["openssl", "x509", "-noout", "-nameopt", "RFC2253", *CERTIFICATE_FIELDS]
    result = run(command, text=pem, check=False)
    said = result.stdout
    fields = {name: value.strip() for name, value in re.findall(r"^(\w+)=(.*)$", said, re.MULTILINE)}
    public_key = re.search(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", said, re.DOTALL)
    if result.returncode != 0 or public_key is None:
        raise RefusedError(f"the {what} cannot be read as a certificate")
    return Certificate(
        pem=pem + "\n",
        starts=ssl.cert_time_to_seconds(fields["notBefore"]),
        ends=ssl.cert_time_to_seconds(fields["notAfter"]),
        subject=fields["subject"],
        issuer=fields["issuer"],
        public_key=public_key[0],
        is_ca=re.search(r"^\s+CA:TRUE\b", said, re.MULTILINE) is not None,
    )

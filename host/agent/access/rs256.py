"""RS256 signatures: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2.2)."""

from hashlib import sha256
from typing import NamedTuple

from agent.access.powers import power

# The DER of DigestInfo up to the digest itself (RFC 8017, section 9.2, note 1)
SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
SMALLEST_BITS = 2048
# A larger key would only cost time.
LARGEST_BITS = 8192
# Small exponents make padding mistakes easier to exploit.
SMALLEST_EXPONENT = 65537


class PublicKey(NamedTuple):
    """An RSA public key."""

    modulus: int
    exponent: int

    @property
    def is_strong(self) -> bool:
        """Whether its size and form are safe."""
        sized = SMALLEST_BITS <= self.modulus.bit_length() <= LARGEST_BITS
        odd = self.modulus % 2 == 1 and self.exponent % 2 == 1
        return sized and odd and SMALLEST_EXPONENT <= self.exponent < 1 << 32


def verify_signature(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether the key's owner signed the message.

    Builds the encoded message and compares it as a whole: implementations that parse the padding and skip a part of it
    accept forgeries.
    """
    size = (key.modulus.bit_length() + 7) // 8
    if len(signature) != size or int.from_bytes(signature, "big") >= key.modulus:
        return False
    info = SHA256_INFO + sha256(message).digest()
    encoded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return power(key.exponent, key.modulus)(signature) == encoded

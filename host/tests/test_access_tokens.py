import base64
import json
import subprocess
import unittest
from hashlib import sha256, sha512
from typing import Any

from agent.access.keys import keys_file, parse_keys
from agent.access.rs256 import SHA256_INFO, PublicKey, verify_signature
from agent.access.tokens import RefusedError, UnknownKeyError, check_token

AUDIENCE = "a" * 64
ISSUER = "https://team.cloudflareaccess.com"
NOW = 1_800_000_000.0


class Signer:
    """An RSA key whose owner signs whatever a test wants."""

    def __init__(self, bits: int = 2048) -> None:
        made = subprocess.run(["openssl", "genrsa", str(bits)], capture_output=True, check=True)
        command = ["openssl", "rsa", "-noout", "-text"]
        shown = subprocess.run(command, input=made.stdout, capture_output=True, check=True).stdout.decode()
        self.public = PublicKey(self._number(shown, "modulus"), 65537)
        self._exponent = self._number(shown, "privateExponent")

    @staticmethod
    def _number(shown: str, name: str) -> int:
        lines = shown.split(f"\n{name}:")[1].splitlines()[1:]
        digits: list[str] = []
        for line in lines:
            if not line.startswith(" "):
                break
            digits.append(line.strip())
        return int("".join(digits).replace(":", ""), 16)

    def raw(self, encoded: bytes) -> bytes:
        """The signature whose encoded message is this."""
        size = (self.public.modulus.bit_length() + 7) // 8
        return pow(int.from_bytes(encoded, "big"), self._exponent, self.public.modulus).to_bytes(size, "big")

    def signature(self, message: bytes) -> bytes:
        """A good signature."""
        info = SHA256_INFO + sha256(message).digest()
        return self.raw(b"\x00\x01" + b"\xff" * (256 - 3 - len(info)) + b"\x00" + info)

    def token(self, claims: dict[str, Any] | bytes, header: dict[str, Any] | None = None) -> str:
        """A signed token."""
        head = header or {"alg": "RS256", "kid": "one", "typ": "JWT"}
        message = f"{text(json.dumps(head).encode())}.{text(claims if isinstance(claims, bytes) else dumped(claims))}"
        return f"{message}.{text(self.signature(message.encode()))}"


def text(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def dumped(claims: dict[str, Any]) -> bytes:
    """Claims as JSON."""
    return json.dumps(claims).encode()


def number(value: int) -> str:
    """A number as in a JSON Web Key."""
    return text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


SIGNER = Signer()
KEYS = {"one": SIGNER.public}
PERSON: dict[str, Any] = {
    "aud": [AUDIENCE],
    "email": "anna@example.com",
    "exp": NOW + 3600,
    "iat": NOW,
    "nbf": NOW,
    "iss": ISSUER,
    "type": "app",
}
DEVICE: dict[str, Any] = {"aud": AUDIENCE, "exp": NOW + 3600, "iat": NOW, "iss": ISSUER, "sub": "", "type": "app"}


def without(name: str) -> dict[str, Any]:
    """A person's claims but one."""
    return {key: value for key, value in PERSON.items() if key != name}


class Tokens(unittest.TestCase):
    def judged(self, token: str, now: float = NOW) -> float:
        return check_token(token, AUDIENCE, ISSUER, KEYS, now)

    def test_accepts_tokens_of_people_and_devices(self) -> None:
        for claims in (PERSON, DEVICE, {**PERSON, "aud": ["other", AUDIENCE]}):
            self.assertEqual(self.judged(SIGNER.token(claims)), NOW + 3660)

    def test_tolerates_a_clock_that_is_a_minute_off(self) -> None:
        token = SIGNER.token(PERSON)
        for now in (NOW - 60, NOW + 3659):
            self.judged(token, now)
        for now, reason in ((NOW - 61, "not valid yet"), (NOW + 3660, "expired")):
            with self.assertRaisesRegex(RefusedError, reason):
                self.judged(token, now)

    def test_refuses_claims_for_others_or_without_expiry(self) -> None:
        cases: tuple[tuple[dict[str, Any], str], ...] = (
            ({**PERSON, "aud": ["b" * 64]}, "another application"),
            ({**PERSON, "aud": AUDIENCE[:-1]}, "another application"),
            ({**PERSON, "aud": {AUDIENCE: 1}}, "another application"),
            ({**PERSON, "aud": []}, "another application"),
            (without("aud"), "another application"),
            ({**PERSON, "iss": f"{ISSUER}/"}, "another issuer"),
            (without("iss"), "another issuer"),
            (without("exp"), "no time exp"),
            (without("iat"), "no time iat"),
            ({**PERSON, "exp": str(NOW + 3600)}, "no time exp"),
            ({**PERSON, "exp": True}, "no time exp"),
            ({**PERSON, "nbf": None}, "no time nbf"),
            ({**PERSON, "nbf": NOW + 61}, "not valid yet"),
            ({**PERSON, "iat": NOW + 61}, "not valid yet"),
        )
        for claims, reason in cases:
            with self.subTest(claims), self.assertRaisesRegex(RefusedError, reason):
                self.judged(SIGNER.token(claims))

    def test_refuses_ambiguous_claims(self) -> None:
        twice = dumped(PERSON)[:-1] + b', "aud": ["' + AUDIENCE.encode() + b'"]}'
        for claims in (twice, b"[]", b"{", b'"x"', b"[" * 5000, dumped({**PERSON, "exp": float("nan")}), b"\xff"):
            with self.subTest(claims[:40]), self.assertRaises(RefusedError):
                self.judged(SIGNER.token(claims))

    def test_lets_no_token_choose_how_it_is_verified(self) -> None:
        for header in (
            {"alg": "none", "kid": "one"},
            {"alg": "HS256", "kid": "one"},
            {"alg": "rs256", "kid": "one"},
            {"alg": "RS512", "kid": "one"},
            {"kid": "one"},
            {"alg": "RS256"},
            {"alg": "RS256", "kid": ["one"]},
            {"alg": "RS256", "kid": "one", "crit": ["b64"], "b64": False},
        ):
            with self.subTest(header), self.assertRaises(RefusedError):
                self.judged(SIGNER.token(PERSON, header))
        with self.assertRaises(UnknownKeyError):
            self.judged(SIGNER.token(PERSON, {"alg": "RS256", "kid": "two"}))

    def test_refuses_altered_tokens(self) -> None:
        head, claims, signature = SIGNER.token(PERSON).split(".")
        other = text(dumped({**PERSON, "email": "mallory@example.net"}))
        for token in (
            f"{head}.{other}.{signature}",
            f"{head}.{claims}.",
            f"{head}.{claims}",
            f"{head}.{claims}.{signature}.{signature}",
            f"{head}.{claims}.{signature}=",
            f"{head}.{claims}.{signature[:-4]}",
            f"{head}.{claims}.AAAA{signature}",
            f"{head}.{claims}.{text(Signer().signature(f'{head}.{claims}'.encode()))}",
            f" {head}.{claims}.{signature}",
            "",
            "." * 100,
            "x" * 10_000,
        ):
            with self.subTest(token[-40:]), self.assertRaises(RefusedError):
                self.judged(token)


class Signatures(unittest.TestCase):
    def test_compares_the_whole_encoded_message(self) -> None:
        message = b"message"
        digest = sha256(message).digest()
        info = SHA256_INFO + digest
        full = 256 - 3 - len(info)
        short = 8
        forgeries: dict[str, bytes] = {
            "rubbish behind a short padding": b"\0\1" + b"\xff" * short + b"\0" + info + b"\1" * (full - short),
            "other padding": b"\0\1" + b"\xee" * full + b"\0" + info,
            "type 2": b"\0\2" + b"\xff" * full + b"\0" + info,
            "no DigestInfo": b"\0\1" + b"\xff" * (256 - 3 - 32) + b"\0" + digest,
            "another hash": b"\0\1" + b"\xff" * (256 - 3 - 64) + b"\0" + sha512(message).digest(),
            "no parameters": b"\0\1" + b"\xff" * (full + 2) + b"\0" + info.replace(b"\x05\x00", b""),
        }
        self.assertTrue(verify_signature(SIGNER.public, message, SIGNER.signature(message)))
        for name, encoded in forgeries.items():
            self.assertFalse(verify_signature(SIGNER.public, message, SIGNER.raw(encoded)), name)

    def test_refuses_a_number_beyond_the_modulus(self) -> None:
        signature = SIGNER.signature(b"message")
        beyond = int.from_bytes(signature, "big") + SIGNER.public.modulus
        size = (beyond.bit_length() + 7) // 8
        self.assertFalse(verify_signature(SIGNER.public, b"message", beyond.to_bytes(size, "big")))
        self.assertFalse(verify_signature(SIGNER.public, b"message", b"\0" + signature))
        self.assertFalse(verify_signature(SIGNER.public, b"message", b""))
        self.assertFalse(verify_signature(SIGNER.public, b"message", b"\0" * 256))


ENTRY: dict[str, Any] = {"kid": "one", "kty": "RSA", "alg": "RS256", "use": "sig", "e": "AQAB"}


class Keys(unittest.TestCase):
    def document(self, *entries: object) -> bytes:
        return json.dumps({"keys": entries, "public_cert": {"kid": "one", "cert": "PEM"}}).encode()

    def test_reads_published_and_stored_keys(self) -> None:
        other = Signer()
        entries = [{**ENTRY, "n": number(SIGNER.public.modulus)}]
        entries.append({**ENTRY, "kid": "two", "n": number(other.public.modulus)})
        document = self.document(*entries)
        self.assertEqual(parse_keys(document), {"one": SIGNER.public, "two": other.public})
        self.assertEqual(parse_keys(keys_file(document).content), parse_keys(document))
        self.assertEqual(keys_file(self.document(*reversed(entries))), keys_file(document))

    def test_skips_keys_for_another_purpose_or_too_weak(self) -> None:
        good = {**ENTRY, "n": number(SIGNER.public.modulus)}
        changes: tuple[dict[str, Any], ...] = (
            {"kty": "EC"},
            {"alg": "RS512"},
            {"use": "enc"},
            {"e": number(3)},
            {"n": number(Signer(1024).public.modulus)},
            {"n": number(SIGNER.public.modulus - 1)},
            {"n": "not+base64url/"},
            {"n": "a"},
            {"n": ""},
            {"n": 7},
            {"e": "=" * 4},
            {"e": None},
            {"kid": 1},
        )
        for change in changes:
            bad = {**good, "kid": "bad", **change}
            self.assertEqual(list(parse_keys(self.document(bad, good))), ["one"], bad)

    def test_refuses_an_answer_without_keys(self) -> None:
        for body in (b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', self.document(), self.document(1), b" " * 70_000):
            with self.subTest(body[:20]), self.assertRaises(ValueError):
                parse_keys(body)
        with self.assertRaises(ValueError):
            parse_keys(self.document({**ENTRY, "n": "not+base64url/"}))

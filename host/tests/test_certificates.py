import subprocess
import tempfile
import time
import unittest
from pathlib import Path
from typing import ClassVar

from agent.certificates.store import Store
from agent.certificates.x509 import read_certificates, read_private_key
from agent.errors import HostError
from agent.files import File

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]


def openssl(*arguments: str) -> str:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=True).stdout


def self_signed(name: str, *extra: str) -> str:
    """A key and its certificate, in one text."""
    return openssl(
        "req", "-x509", *CURVE, "-nodes", "-days", "2", "-subj", f"/CN={name}", *extra, "-keyout", "-", "-out", "-"
    )


def parts(both: str) -> tuple[str, str]:
    key, end, certificate = both.partition("-----END PRIVATE KEY-----\n")
    return key + end, certificate


class ReadCertificates(unittest.TestCase):
    key: str
    certificate: str

    @classmethod
    def setUpClass(cls) -> None:
        both = self_signed("photos.example.com", "-addext", "subjectAltName=DNS:photos.example.com,DNS:*.example.org")
        cls.key, cls.certificate = parts(both)

    def test_reads_a_certificates_fields(self) -> None:
        [found] = read_certificates(f"a note\r\n{self.certificate}".replace("\n", "\r\n"), "certificate")
        self.assertEqual(found.pem, self.certificate)
        self.assertEqual((found.subject, found.issuer), ("CN=photos.example.com", "CN=photos.example.com"))
        self.assertTrue(found.is_ca)
        self.assertTrue(found.valid_at(time.time()))
        self.assertFalse(found.valid_at(time.time() + 3 * 86400))
        self.assertFalse(found.valid_at(time.time() - 3 * 86400))
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(found.pem)
            file.flush()
            shown = openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", file.name)
        self.assertEqual(shown.partition("=")[2].strip().replace(":", "").lower(), found.fingerprint)

    def test_matches_the_names_of_a_certificate(self) -> None:
        [found] = read_certificates(self.certificate, "certificate")
        for name, expected in (
            ("photos.example.com", True),
            ("a.example.org", True),
            ("a.b.example.org", False),
            ("example.com", False),
        ):
            self.assertEqual(found.names(name), expected, name)

    def test_reads_several_certificates(self) -> None:
        other = parts(self_signed("other"))[1]
        found = read_certificates(self.certificate + other, "CA")
        self.assertEqual([one.subject for one in found], ["CN=photos.example.com", "CN=other"])

    def test_tells_a_leaf_from_a_ca(self) -> None:
        leaf = parts(self_signed("leaf", "-addext", "basicConstraints=critical,CA:FALSE"))[1]
        # A name that says so makes no CA.
        named = parts(self_signed("    CA:TRUE", "-addext", "basicConstraints=critical,CA:FALSE"))[1]
        for text in (leaf, named):
            self.assertFalse(read_certificates(text, "CA")[0].is_ca)

    def test_refuses_text_that_is_not_a_certificate(self) -> None:
        broken = self.certificate[:100] + "AAAA" + self.certificate[104:]
        for text in ("", "photos", self.key, self.certificate + self.key, broken, self.certificate[:-40]):
            with (
                self.subTest(text=text[:40]),
                self.assertRaisesRegex(HostError, r"\Athe client CA .*\Z"),
            ):
                read_certificates(text, "client CA")

    def test_a_keys_public_half_matches_its_certificate(self) -> None:
        pem, public = read_private_key(self.key)
        self.assertEqual(pem, self.key)
        self.assertEqual(public, read_certificates(self.certificate, "certificate")[0].public_key)

    def test_reads_an_ec_key_in_the_older_form(self) -> None:
        old = openssl("ecparam", "-name", "prime256v1", "-genkey")
        self.assertIn("BEGIN EC PARAMETERS", old)
        self.assertTrue(read_private_key(old)[0].startswith("-----BEGIN EC PRIVATE KEY-----"))

    def test_refuses_an_unusable_key_without_showing_it(self) -> None:
        encrypted = openssl(
            "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-aes256", "-pass", "pass:x"
        )
        broken = self.key[:60] + "!!!!" + self.key[64:]
        for text in ("", self.certificate, encrypted, broken, self.key + self.key):
            with self.subTest(text=text[:40]), self.assertRaises(HostError) as caught:
                read_private_key(text)
            self.assertEqual(
                str(caught.exception),
                "the private key is not one unencrypted key in PEM form",
            )


class Generations(unittest.TestCase):
    OLD: ClassVar = {"origin.pem": File(b"old certificate"), "origin.key": File(b"old key", 0o600)}
    NEW: ClassVar = {"origin.pem": File(b"new certificate"), "origin.key": File(b"new key", 0o600)}

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name) / "immich-access"
        self.store = Store("photos.example.com", self.root)

    def content(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.store.current.iterdir()}

    def install(self, files: dict[str, File]) -> None:
        with self.store.switched_to(files):
            pass

    def test_switches_all_files_at_once_and_keeps_no_old_ones(self) -> None:
        self.install(self.OLD)
        with self.store.switched_to(self.NEW):
            self.assertEqual(self.content(), {"origin.pem": b"new certificate", "origin.key": b"new key"})
            # The former generation is there until the new one is proven, so that a crash here is noticed.
            self.assertFalse(self.store.is_settled_on(self.NEW))
        self.assertTrue(self.store.is_settled_on(self.NEW))
        self.assertEqual(len(list((self.store.folder / "generations").iterdir())), 1)
        self.assertEqual((self.store.current / "origin.key").stat().st_mode & 0o777, 0o600)

    def test_rolls_back_to_the_former_files(self) -> None:
        self.install(self.OLD)
        before = self.store.current.resolve()
        with self.assertRaises(RuntimeError), self.store.switched_to(self.NEW):
            raise RuntimeError
        self.assertEqual(self.store.current.resolve(), before)
        self.assertTrue(self.store.is_settled_on(self.OLD))

    def test_leaves_nothing_of_a_first_set_that_fails(self) -> None:
        with self.assertRaises(RuntimeError), self.store.switched_to(self.NEW):
            raise RuntimeError
        self.assertFalse(self.root.exists())

    def test_repairs_damaged_files(self) -> None:
        self.install(self.NEW)
        key = self.store.current / "origin.key"
        for damage in (
            lambda: key.chmod(0o644),
            lambda: key.write_bytes(b"x"),
            key.unlink,
            (key.parent / "stray").touch,
        ):
            damage()
            self.assertFalse(self.store.is_settled_on(self.NEW))
            self.install(self.NEW)
            self.assertTrue(self.store.is_settled_on(self.NEW))

    def test_no_file_name_depends_on_the_key(self) -> None:
        self.install(self.NEW)
        generation = self.store.current.resolve().name
        self.install({**self.NEW, "origin.key": File(b"another key", 0o600)})
        self.assertEqual(self.store.current.resolve().name, generation)

    def test_removes_the_site_and_keeps_others(self) -> None:
        other = Store("other.example.com", self.root)
        self.install(self.NEW)
        with other.switched_to(self.OLD):
            pass
        self.store.remove()
        self.store.remove()
        self.assertFalse(self.store.folder.exists())
        self.assertTrue(other.is_settled_on(self.OLD))
        other.remove()
        self.assertFalse(self.root.exists())


if __name__ == "__main__":
    unittest.main()

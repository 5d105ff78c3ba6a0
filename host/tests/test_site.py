import unittest

from agent.errors import HostError
from agent.site import checked_hostname, checked_upstream, require_different


class Hostname(unittest.TestCase):
    def test_accepts_names_of_two_labels_and_more(self) -> None:
        for name in ("photos.example.com", "a.b", "xn--bcher-kva.example", "1.example", f"{'a' * 63}.example"):
            self.assertEqual(checked_hostname(name), name)

    def test_refuses_what_could_leave_its_folder_or_its_line(self) -> None:
        bad = [
            "..",
            "../etc",
            "a/b.example",
            "/etc/passwd",
            "photos",
            "Photos.example.com",
            "photos.example.com.",
            "photos..example",
            "-a.example",
            "a-.example",
            "photos.example.com\n",
            "a.example;",
            "a.example {",
            "$host.example",
            "*.example.com",
            f"{'a' * 64}.example",
            ".".join(["a" * 60] * 5),
            "bücher.example",
            "unknown-names",
        ]
        for name in bad:
            with self.subTest(name=name), self.assertRaisesRegex(HostError, "is no host name"):
                checked_hostname(name)


class Upstream(unittest.TestCase):
    def test_accepts_addresses_and_names_with_a_port(self) -> None:
        for endpoint in ("127.0.0.1:2283", "[::1]:2283", "immich.lan:80", "localhost:65535"):
            self.assertEqual(checked_upstream(endpoint), endpoint)

    def test_refuses_what_nginx_would_read_as_something_else(self) -> None:
        bad = [
            "127.0.0.1",
            "127.0.0.1:0",
            "127.0.0.1:65536",
            "256.1.1.1:80",
            "1.2.3:80",
            "::1:2283",
            "[127.0.0.1]:80",
            "[::g]:80",
            "http://immich:2283",
            "immich:2283/api",
            "immich:2283; return 200",
            "$host:80",
            "a b:80",
            "immich:80\n",
            "unix:/run/x",
        ]
        for endpoint in bad:
            with self.subTest(endpoint=endpoint), self.assertRaisesRegex(HostError, "is no upstream"):
                checked_upstream(endpoint)


class Different(unittest.TestCase):
    def test_names_what_is_there_twice(self) -> None:
        require_different(["a.example", "b.example"])
        with self.assertRaisesRegex(HostError, "the site b.example twice"):
            require_different(["b.example", "a.example", "b.example"])


if __name__ == "__main__":
    unittest.main()

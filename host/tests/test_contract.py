"""Whether the agent's side of the contract matches the schemas that the program has written."""

import json
import unittest
from pathlib import Path
from typing import Any, ClassVar

from agent import answer, contract
from agent.certificates.x509 import Certificate
from agent.errors import RefusedError
from agent.firewall.plan import SshEntrance
from agent.ranges import Ranges

HOST = Path(__file__).parent.parent
PAYLOADS: dict[str, Any] = json.loads((HOST / contract.SCHEMA).read_text())["steps"]
ANSWERS: dict[str, Any] = json.loads((HOST / "answer.schema.json").read_text())["steps"]

CERTIFICATE = Certificate(
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0.0, 86400.0, "CN=a", "CN=b", "key", True
)
RANGES = Ranges(["173.245.48.0/20"], ["2400:cb00::/32"])
CHECKS = {"nginx": answer.check("ok", "runs"), "ranges": answer.check("unknown", "no answer")}

TIME = "2026-11-29T04:00:00Z"
REFRESH = answer.refresh(
    TIME, True, RANGES, TIME, guard=True, ways_in=0, certificates={"a.example.com": TIME, "b.example.com": None}
)
UNTOLD = answer.refresh(TIME, False, None, None, guard=None, ways_in=None, certificates={})

# What each step answers, by its functions
SAMPLES: dict[str, list[dict[str, object]]] = {
    "firewall": [
        answer.firewall(3, SshEntrance([22, 2222], ["0.0.0.0/0", "::/0"]), RANGES, ipv6=True),
        answer.firewall(3, SshEntrance([22], limit="limit 22/tcp"), RANGES, ipv6=False),
    ],
    "firewall-remove": [
        answer.firewall_removal(["photos.example.com"], []),
        answer.firewall_removal([], ["ufw stays on"]),
    ],
    "certificates": [
        answer.certificates(3, [answer.certificate_set("photos.example.com", CERTIFICATE, [CERTIFICATE, CERTIFICATE])])
    ],
    "nginx": [
        answer.nginx(
            "0123456789ab",
            [
                answer.served_site("photos.example.com", "127.0.0.1:2283", CERTIFICATE.fingerprint, "audience"),
                answer.served_site("shares.example.com", "127.0.0.1:3000", CERTIFICATE.fingerprint, None),
            ],
            ["/etc/nginx/sites-enabled/default"],
        )
    ],
    "former-port-close": [answer.former_port_closing([443]), answer.former_port_closing([])],
    "site-remove": [answer.site_removal(True), answer.site_removal(False)],
    "doctor": [
        answer.examination(
            CHECKS,
            {"photos.example.com": answer.examined_site(CHECKS, answer.site_facts("CA", "certificate"))},
            answer.host_facts(1.5, RANGES, None, [2283, 3000], ["192.0.2.1"], last_refresh=REFRESH),
        ),
        answer.examination(
            CHECKS,
            {"photos.example.com": answer.examined_site(CHECKS, answer.site_facts(None, None))},
            answer.host_facts(1.5, None, "nginx", [], [], last_refresh=None),
        ),
        answer.examination(
            CHECKS,
            {},
            answer.host_facts(1.5, None, None, [], [], last_refresh=UNTOLD),
        ),
    ],
    "survey": [
        answer.survey(
            addresses=["192.0.2.1"],
            networks=["192.168.1.0/24"],
            immich=["127.0.0.1:2283"],
            origin_port=443,
            port_holder="caddy",
            openings=[answer.opening("allow 443", 443, "ufw delete allow 443")],
            sites=["/etc/nginx/sites-enabled/photos"],
            closing=[
                answer.closing_service("8123/tcp", "python3", ["everyone"], ["8123/tcp from 192.168.1.0/24"]),
                answer.closing_service("51820/udp", "WireGuard wg0", ["everyone"], []),
            ],
            refusals=[answer.refusal("caddy has port 443", "stop it")],
            unclear=["Immich does not answer"],
        )
    ],
}


class Answers(unittest.TestCase):
    def test_answers_of_every_step_match_its_schema(self) -> None:
        self.assertEqual(SAMPLES.keys(), ANSWERS.keys())
        for step, samples in SAMPLES.items():
            for facts in samples:
                line = answer.line(step, 7, facts)
                with self.subTest(step=step, line=line):
                    self.assertNotIn("\n", line)
                    self.assertEqual(contract.problems(json.loads(line), ANSWERS[step], "answer"), [])

    def test_answers_of_another_step_do_not_match(self) -> None:
        for step, samples in SAMPLES.items():
            for other in ANSWERS.keys() - {step}:
                line = answer.line(step, 7, samples[0])
                with self.subTest(step=step, other=other):
                    self.assertNotEqual(contract.problems(json.loads(line), ANSWERS[other], "answer"), [])


def request(payload: object) -> dict[str, object]:
    return {"payload": payload, "modules": {contract.SCHEMA: (HOST / contract.SCHEMA).read_text()}}


class Payloads(unittest.TestCase):
    GOOD: ClassVar[Any] = {"owner": "immich-access/home/zone/", "hostname": "photos.example.com"}

    def test_matching_payloads_are_passed_on(self) -> None:
        self.assertEqual(contract.payload_of("site-remove", request(self.GOOD)), self.GOOD)

    def test_payloads_are_refused_by_field_name_without_values(self) -> None:
        cases: list[tuple[object, str]] = [
            (None, "payload is no object"),
            ([], "payload is no object"),
            ({"owner": "o"}, "payload.hostname is missing"),
            ({**self.GOOD, "site": "secret"}, "payload.site is unknown"),
            ({**self.GOOD, "owner": None}, "payload.owner is no string"),
            ({**self.GOOD, "owner": 7}, "payload.owner is no string"),
            ({**self.GOOD, "owner": ""}, "payload.owner is shorter than 1"),
            ({**self.GOOD, "hostname": "../etc"}, "payload.hostname has another form"),
            ({**self.GOOD, "hostname": "photos.example.com\n"}, "payload.hostname has another form"),
            ({**self.GOOD, "hostname": "a." * 127 + "example"}, "payload.hostname has another form"),
        ]
        for payload, problem in cases:
            with (
                self.subTest(payload=payload),
                self.assertRaisesRegex(RefusedError, f"site-remove: {problem}") as caught,
            ):
                contract.payload_of("site-remove", request(payload))
            self.assertNotIn("secret", str(caught.exception))

    def test_payloads_are_checked_at_every_depth(self) -> None:
        site = {"hostname": "photos.example.com", "serves": "immich", "upstream": "127.0.0.1:2283"}
        good: dict[str, Any] = {
            "owner": "o",
            "sites": [site],
            "ranges": RANGES._asdict(),
            "sshPort": 22,
            "homeNetworks": ["192.168.1.0/24"],
            "sshFrom": ["192.168.1.0/24"],
            "keepOpen": ["8123/tcp from 192.168.1.0/24"],
            "closeOthers": True,
            "confirmSeconds": 120,
            "originPort": 443,
        }
        schema = PAYLOADS["firewall"]
        self.assertEqual(contract.problems(good, schema, "payload"), [])
        bad: list[tuple[dict[str, Any], str]] = [
            ({"sites": []}, "payload.sites is a list of fewer than 1"),
            ({"sites": "photos.example.com"}, "payload.sites is no array"),
            ({"sites": [site, {**site, "upstream": ""}]}, "payload.sites[1].upstream is shorter than 1"),
            ({"sites": [{**site, "upstream": True}]}, "payload.sites[0].upstream is no string"),
            ({"homeNetworks": [7]}, "payload.homeNetworks[0] is no string"),
            ({"sshPort": 65536}, "payload.sshPort is more than 65535"),
            ({"sshPort": True}, "payload.sshPort is no integer"),
            ({"sites": [{**site, "serves": "files"}]}, "payload.sites[0].serves is none of"),
            ({"sites": [{**site, "port": 2283}]}, "payload.sites[0].port is unknown"),
            ({"ranges": {"ipv4": ["173.245.48.0/20"]}}, "payload.ranges.ipv6 is missing"),
            ({"ranges": {"ipv4": [None], "ipv6": ["2400:cb00::/32"]}}, "payload.ranges.ipv4[0] is no string"),
            ({"confirmSeconds": 1}, "payload.confirmSeconds is less than 2"),
            ({"sshPort": "22"}, "payload.sshPort is no integer"),
        ]
        for change, problem in bad:
            with self.subTest(change=change):
                found = contract.problems({**good, **change}, schema, "payload")
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(problem), found)

    def test_the_schemas_use_only_keywords_that_the_validator_checks(self) -> None:
        self.assertEqual(contract.problems({}, {"type": "object", "format": "date"}, "payload")[0][:10], "the schema")


if __name__ == "__main__":
    unittest.main()

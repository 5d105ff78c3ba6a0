import base64
import json
import subprocess
import sys
import tempfile
import unittest
import zlib
from pathlib import Path

HOST = Path(__file__).parent.parent
LOADER = "import json,sys;r=json.load(sys.stdin);exec(r['load'])"


def run(step: str, modules: dict[str, str]) -> subprocess.CompletedProcess[str]:
    modules = {**modules, "agent/bootstrap.py": (HOST / "agent/bootstrap.py").read_text()}
    archive = base64.b64encode(zlib.compress(json.dumps(modules).encode())).decode()
    request = {"load": (HOST / "load.py").read_text(), "version": "1", "archive": archive, "payload": {"answer": 42}}
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run(
            [sys.executable, "-I", "-c", LOADER, step],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            cwd=empty,
            check=False,
        )


class Bootstrap(unittest.TestCase):
    def test_imports_the_agent_from_the_request_alone(self) -> None:
        result = run(
            "firewall",
            {
                "agent/__init__.py": "",
                "agent/words.py": "def say(text): print(text)",
                "agent/main.py": "from agent.words import say\n"
                "def main(step, r):\n"
                "    say(f\"{step} {r['payload']['answer']}\")\n"
                "    return 3",
            },
        )
        self.assertEqual((result.stdout, result.returncode), ("firewall 42\n", 3))

    def test_reports_an_unknown_step_in_one_line(self) -> None:
        files = sorted((HOST / "agent").rglob("*.py"))
        result = run("nonsense", {str(file.relative_to(HOST)): file.read_text() for file in files})
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"\Aimmich-access: the host agent .*\n\Z")


if __name__ == "__main__":
    unittest.main()

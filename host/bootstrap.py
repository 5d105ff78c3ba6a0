"""Runs the agent from the request on standard input, without leaving a file on the host.

launch.sh executes it with the request in `r`: `archive` holds files by their names below host/, as JSON compressed and
encoded in Base64, and `payload` is the step's. The step gets the files as `modules`.
"""

import base64
import json
import sys
import zlib
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

sent: Mapping[str, Any] = globals()["r"]
request = {**sent, "modules": json.loads(zlib.decompress(base64.b64decode(sent["archive"])))}


class _Modules:
    """Imports the agent's modules from the request.

    The base classes in importlib.abc would take as long to import as a step's own modules.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def _file(self, name: str) -> str | None:
        path = name.replace(".", "/")
        for candidate in (path + "/__init__.py", path + ".py"):
            if candidate in self._files:
                return candidate
        return None

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Python calls this for each module that is not loaded yet."""
        file = self._file(fullname)
        return (
            None if file is None else ModuleSpec(fullname, cast("Any", self), is_package=file.endswith("/__init__.py"))
        )

    def create_module(self, _spec: ModuleSpec) -> None:
        """Lets Python create the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Executes the module's text, which stack traces show under its name."""
        file = self._file(module.__name__)
        exec(compile(self._files[file or ""], f"<{module.__name__}>", "exec"), module.__dict__)


sys.dont_write_bytecode = True
sys.meta_path.insert(0, _Modules(request["modules"]))

from agent.main import main  # noqa: E402

sys.exit(main(sys.argv[1], request))

"""Runs the agent from the request on standard input, without leaving a file on the host.

It is executed with the request in `r`: `archive` holds files by their names below host/, as JSON that is compressed and
in Base64, and `payload` is the step's. The step gets the files as `modules`.
"""

import base64
import importlib.abc
import importlib.util
import json
import sys
import zlib
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from typing import Any

sent: Mapping[str, Any] = globals()["r"]
request = {**sent, "modules": json.loads(zlib.decompress(base64.b64decode(sent["archive"])))}


class _Modules(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the agent's modules from the request."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def _file(self, name: str) -> str | None:
        path = name.replace(".", "/")
        for candidate in (path + "/__init__.py", path + ".py"):
            if candidate in self._files:
                return candidate
        return None

    def find_spec(self, fullname: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if self._file(fullname) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def is_package(self, fullname: str) -> bool:
        return (self._file(fullname) or "").endswith("/__init__.py")

    def get_source(self, fullname: str) -> str | None:
        file = self._file(fullname)
        return None if file is None else self._files[file]


sys.dont_write_bytecode = True
sys.meta_path.insert(0, _Modules(request["modules"]))

from agent.main import main  # noqa: E402

sys.exit(main(sys.argv[1], request))

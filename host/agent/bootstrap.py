"""Runs the agent from memory, so that each request runs its own version whatever else is installed.

load.py executes it with the `request`, of which `modules` has the agent's files by their names below host/. The step
gets as `bytecode` what Python has made of those that it ran; `kept` names those of them that an earlier run had kept
(see agent/bytecode.py).
"""

import marshal
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, cast

sent: Mapping[str, Any] = globals()["request"]
modules: Mapping[str, str] = sent["modules"]


def _kept_bytecode() -> dict[str, CodeType]:
    """What an earlier run of the same step kept of the same files under the same Python."""
    # Another Python may be unable to read the file, so the name tells them apart.
    name = f"/var/cache/immich-access/{sys.argv[1]}.{sys.hexversion:x}"
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - pathlib takes longer to import than this file to run
            version, bytecode = marshal.load(file)
    except (OSError, EOFError, TypeError, ValueError):
        return {}
    return bytecode if version == sent["version"] else {}


class _Modules:
    """Imports the agent's modules from the request.

    The base classes in importlib.abc would take as long to import as a step's own modules.
    """

    def __init__(self, files: Mapping[str, str], bytecode: dict[str, CodeType]) -> None:
        self._files = files
        self._bytecode = bytecode

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
        file = self._file(module.__name__) or ""
        if file not in self._bytecode:
            self._bytecode[file] = compile(self._files[file], f"<{module.__name__}>", "exec")
        exec(self._bytecode[file], module.__dict__)


bytecode = _kept_bytecode()
kept = frozenset(bytecode)
sys.dont_write_bytecode = True
sys.meta_path.insert(0, _Modules(modules, bytecode))

from agent.main import main  # noqa: E402

sys.exit(main(sys.argv[1], {**sent, "bytecode": bytecode, "kept": kept}))

"""Runs the agent from the request on standard input, without leaving a file on the host.

It is executed with the request in `r`: `modules` maps file names below host/ to their text, `payload` is the step's.
"""

import importlib.abc
import importlib.util
import sys


class _Modules(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the agent's modules from the request."""

    def __init__(self, files):
        self._files = files

    def _file(self, name):
        path = name.replace(".", "/")
        for candidate in (path + "/__init__.py", path + ".py"):
            if candidate in self._files:
                return candidate
        return None

    def find_spec(self, fullname, path=None, target=None):
        if self._file(fullname) is None:
            return None
        return importlib.util.spec_from_loader(fullname, self)

    def is_package(self, fullname):
        return (self._file(fullname) or "").endswith("/__init__.py")

    def get_source(self, fullname):
        return self._files[self._file(fullname)]


sys.dont_write_bytecode = True
sys.meta_path.insert(0, _Modules(r["modules"]))  # noqa: F821 -- r is the request, set by the caller

from agent.main import main  # noqa: E402

sys.exit(main(sys.argv[1], r))  # noqa: F821

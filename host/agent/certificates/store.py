"""Stores a site's certificates so that nginx reads the old set or the new one, never a key without its certificate.

    /etc/immich-access/<site>/current -> generations/<hash>
    /etc/immich-access/<site>/generations/<hash>/origin.pem origin.key client-ca.pem

While Cloudflare changes its client certificate, there is one more file: see former_ca.py.

Each set has its own folder, and one rename makes it current. A second generation means that a change was interrupted.
"""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from agent.files import File, files_to_change, write, write_link

ROOT = Path("/etc/immich-access")


class Store:
    """The certificates of one site. The caller must have validated its name."""

    def __init__(self, site: str, root: Path = ROOT) -> None:
        self.folder = root / site
        self.current = self.folder / "current"
        self._generations = self.folder / "generations"

    def is_settled_on(self, files: Mapping[str, File]) -> bool:
        """Whether these files are the current generation, undamaged, and the only one."""
        wanted = self._wanted(files)
        complete = not files_to_change(self._paths(wanted, files)) and not self._orphans(wanted, files)
        return complete and self._target() == self._link(wanted)

    @contextmanager
    def switched_to(self, files: Mapping[str, File]) -> Generator[None, None, None]:
        """Makes the files the current generation and runs the body, which verifies them; rolls back if either fails.

        Deletes older generations only after the body succeeds.
        """
        former = self._target()
        wanted = self._wanted(files)
        try:
            for path, file in files_to_change(self._paths(wanted, files)).items():
                write(path, file)
            self._point_to(self._link(wanted))
            yield
        except BaseException:
            if former is None:
                self.remove()
            elif former != self._link(wanted):
                self._point_to(former)
                shutil.rmtree(wanted, ignore_errors=True)
            raise
        for orphan in self._orphans(wanted, files):
            if orphan.is_dir():
                shutil.rmtree(orphan)
            else:
                orphan.unlink()

    def remove(self) -> None:
        """Removes all of the site's certificates, and the parent folder after the last site's."""
        self._point_to(None)
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.folder.parent.rmdir()
        except OSError:
            return

    def _wanted(self, files: Mapping[str, File]) -> Path:
        # The name does not depend on the key: the certificate identifies it, and nothing derived from keys is readable.
        public = (file.content for _, file in sorted(files.items()) if file.mode & 0o044)
        return self._generations / sha256(b"\n".join(public)).hexdigest()[:16]

    def _paths(self, generation: Path, files: Mapping[str, File]) -> dict[Path, File | None]:
        return {generation / name: file for name, file in files.items()}

    def _link(self, generation: Path) -> str:
        return str(generation.relative_to(self.folder))

    def _target(self) -> str | None:
        try:
            return str(self.current.readlink())
        except FileNotFoundError:
            return None

    def _point_to(self, target: str | None) -> None:
        if target is None:
            self.current.unlink(missing_ok=True)
            return
        write_link(self.current, target)

    def _orphans(self, generation: Path, files: Mapping[str, File]) -> list[Path]:
        """Other generations, and files that a killed process left in this one."""
        found = [path for path in self._generations.glob("*") if path != generation]
        return found + [path for path in generation.glob("*") if path.name not in files]

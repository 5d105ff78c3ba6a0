"""Reads what `nginx -T` prints into directives, as nginx itself reads its files."""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import NamedTuple

from agent.errors import RefusedError
from agent.nginx.layout import CONFIGURATION, OWN, PREFIX

HEADER = re.compile(r"^# configuration file (.+):$")
# ngx_conf_read_token(): quotes and comments count only where a word begins, and `${` does not open a block.
TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)"""
    r"""|(?P<quoted>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<mark>[;{}])"""
    r"""|(?P<word>(?:\\.|\$\{|[^\s;{\\])+)""",
    re.DOTALL,
)
# The body of such a block is not in nginx's language but Lua.
LUA_BLOCK = "_by_lua_block"
LUA_TOKEN = re.compile(
    r"""--\[(?P<comment>=*)\[.*?\](?P=comment)\]|--[^\n]*|\[(?P<text>=*)\[.*?\](?P=text)\]"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?P<mark>[{}])|.""",
    re.DOTALL,
)
ESCAPE = re.compile(r"\\([\"'\\ ])")


class Directive(NamedTuple):
    """One directive, with the place where it stands."""

    name: str
    arguments: tuple[str, ...]
    file: str
    line: int
    # What its braces hold; None for a directive that ends in a semicolon. Empty for Lua.
    block: "tuple[Directive, ...] | None"

    @property
    def place(self) -> str:
        """Its file and line, for a person."""
        return f"{self.file}:{self.line}"

    @property
    def is_ours(self) -> bool:
        """Whether it stands in a file of this program's."""
        return f"/{PREFIX}" in self.file or self.file.startswith(f"{OWN}/")

    def all(self, name: str) -> "list[Directive]":
        """The directives of that name that stand directly in its block."""
        return [one for one in self.block or () if one.name == name]


def http_block(dump: str) -> Directive | None:
    """The block `http` of what `nginx -T` prints, with all that it includes; None without one."""
    return next((one for one in read_directives(dump) if one.name == "http"), None)


def read_directives(dump: str) -> tuple[Directive, ...]:
    """The directives of the main configuration file, those of included files in the places of `include`.

    Raises RefusedError for a text that nginx would not take either.
    """
    files = configuration_files(dump)
    main = next(iter(files), None)
    return () if main is None else tuple(_directives(_Tokens(main, files[main]), files))


def read_text(text: str, files: Mapping[str, str]) -> tuple[Directive, ...]:
    """The directives of a text, which may include some of the files."""
    return tuple(_directives(_Tokens("", text), files))


def configuration_files(dump: str) -> dict[str, str]:
    """The text of each file in what `nginx -T` prints; the main file comes first."""
    texts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in dump.splitlines():
        if header := HEADER.match(line):
            lines = texts.setdefault(header[1], [])
        else:
            lines.append(line)
    return {file: "\n".join(lines) for file, lines in texts.items()}


def servers(http: Directive | None) -> list[Directive]:
    """The servers of the block `http`, in nginx's order."""
    return [] if http is None else http.all("server")


class _Tokens(Iterator[tuple[str, bool]]):
    """The words and marks of a file: their text, and whether it is a mark."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.text = text
        self.position = 0
        self.start = 0

    @property
    def line(self) -> int:
        """The line of the last token."""
        return self.text.count("\n", 0, self.start) + 1

    def __next__(self) -> tuple[str, bool]:
        while self.position < len(self.text):
            self.start = self.position
            found = TOKEN.match(self.text, self.position)
            if found is None:
                raise self.error()
            self.position = found.end()
            if found["mark"] is not None:
                return found["mark"], True
            if found["quoted"] is not None:
                return ESCAPE.sub(r"\1", found["quoted"][1:-1]), False
            if found["word"] is not None:
                return ESCAPE.sub(r"\1", found["word"]), False
        raise StopIteration

    def skip_lua(self) -> None:
        """Goes on behind the brace that ends a block of Lua."""
        depth = 1
        while depth:
            found = LUA_TOKEN.match(self.text, self.position)
            if found is None:
                raise self.error()
            self.position = found.end()
            depth += {"{": 1, "}": -1}.get(found["mark"] or "", 0)

    def error(self) -> RefusedError:
        return RefusedError(f"cannot read {self.file}:{self.line} of nginx's configuration; compare `nginx -T`")


def _directives(tokens: _Tokens, files: Mapping[str, str]) -> Generator[Directive, None, None]:
    """The directives up to the brace that ends the block, or to the end of the file."""
    words: list[str] = []
    line = 0
    for token, is_mark in tokens:
        if not is_mark:
            line = line if words else tokens.line
            words.append(token)
            continue
        if token == "}":
            return
        if not words:
            raise tokens.error()
        name, *arguments = words
        block: tuple[Directive, ...] | None = None
        if token == "{" and name.endswith(LUA_BLOCK):
            tokens.skip_lua()
            block = ()
        elif token == "{":
            block = tuple(_directives(tokens, files))
        if name == "include" and block is None:
            for file in _included(arguments[0], files):
                yield from _directives(_Tokens(file, files[file]), files)
        else:
            yield Directive(name, tuple(arguments), tokens.file, line, block)
        words = []
    if words:
        raise tokens.error()


def _included(pattern: str, files: Iterable[str]) -> list[str]:
    """The files that an `include` reads, in the order of glob(7). `nginx -T` prints each of them."""
    parts = PurePosixPath(CONFIGURATION, pattern).parts
    return sorted(file for file in files if _matches(PurePosixPath(file).parts, parts))


def _matches(file: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(file) == len(pattern) and all(
        fnmatchcase(name, mask) and (mask.startswith(".") or not name.startswith("."))
        for name, mask in zip(file, pattern, strict=True)
    )

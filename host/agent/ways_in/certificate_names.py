"""The names in a certificate, read from its DER form: Python decodes only certificates that it has verified."""

_SUBJECT_ALTERNATIVE_NAME = b"\x06\x03\x55\x1d\x11"
_COMMON_NAME = b"\x06\x03\x55\x04\x03"
_DNS_NAME = 0x82
_BOOLEAN = 0x01
_MOST_NAMES = 100


def names_in(der: bytes) -> list[str]:
    """Its DNS names and common names, in lower case, without what is no host name."""
    try:
        found = [*_alternative_names(der), *_common_names(der)]
    except IndexError:
        return []
    names = (name.decode("ascii", "replace").lower() for name in found)
    return list(dict.fromkeys(name for name in names if _is_name(name)))[:_MOST_NAMES]


def _alternative_names(der: bytes) -> list[bytes]:
    start = der.find(_SUBJECT_ALTERNATIVE_NAME)
    if start < 0:
        return []
    at = start + len(_SUBJECT_ALTERNATIVE_NAME)
    if der[at] == _BOOLEAN:
        at += 3
    # An octet string around a sequence
    at, _ = _content(der, at)
    at, end = _content(der, at)
    found: list[bytes] = []
    while at < end:
        begin, after = _content(der, at)
        if der[at] == _DNS_NAME:
            found.append(der[begin:after])
        at = after
    return found


def _common_names(der: bytes) -> list[bytes]:
    found: list[bytes] = []
    start = der.find(_COMMON_NAME)
    while start >= 0:
        begin, after = _content(der, start + len(_COMMON_NAME))
        found.append(der[begin:after])
        start = der.find(_COMMON_NAME, after)
    return found


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the value at this place begins and ends."""
    length, begin = der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + size], "big"), begin + size
    return begin, begin + length


def _is_name(name: str) -> bool:
    return "." in name and all(letter.isalnum() or letter in "-.*_" for letter in name) and len(name) < 127

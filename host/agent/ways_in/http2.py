"""One GET over HTTP/2 (RFC 9113), for programs that speak nothing older."""

from typing import NamedTuple

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 1, 4, 8, 32
_HEAD_BYTES = 9
_STREAM = 1
# `:status: 200` in HPACK's static table (RFC 7541, appendix A)
_STATUS_200 = 0x88


class Response(NamedTuple):
    """What a server has answered so far."""

    is_ok: bool
    body: bytes
    is_complete: bool


def request(host: str, path: str, tls: bool) -> bytes:
    """All that a client sends. Host and path must be shorter than 127 bytes."""
    # Indexed: GET, http or https; literals without indexing: 1 is `:authority`, 4 is `:path`.
    block = bytes([0x82, 0x87 if tls else 0x86]) + _literal(1, host) + _literal(4, path)
    return _PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, _END_HEADERS | _END_STREAM, _STREAM, block)


def is_settings(data: bytes) -> bool:
    """Whether a server's first bytes are those of HTTP/2."""
    return len(data) >= _HEAD_BYTES and data[3] == _SETTINGS and data[5:_HEAD_BYTES] == bytes(4)


def read(data: bytes) -> Response:
    """Reads the frames of a response."""
    is_ok, body, is_complete = False, b"", False
    while len(data) >= _HEAD_BYTES:
        length, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
        stream = int.from_bytes(data[5:_HEAD_BYTES], "big") & 0x7FFFFFFF
        if len(data) < _HEAD_BYTES + length:
            break
        payload, data = data[_HEAD_BYTES : _HEAD_BYTES + length], data[_HEAD_BYTES + length :]
        if stream != _STREAM:
            continue
        if kind == _HEADERS:
            skipped = (1 if flags & _PADDED else 0) + (5 if flags & _PRIORITY else 0)
            is_ok = is_ok or payload[skipped : skipped + 1] == bytes([_STATUS_200])
        elif kind == _DATA:
            padding = payload[0] if flags & _PADDED and payload else None
            body += payload if padding is None else payload[1 : len(payload) - padding]
        is_complete = is_complete or (kind in (_DATA, _HEADERS) and bool(flags & _END_STREAM))
    return Response(is_ok, body, is_complete)


def _literal(index: int, text: str) -> bytes:
    encoded = text.encode()
    return bytes([index, len(encoded)]) + encoded


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

"""Modular powers by OpenSSL, several times as fast as Python's own.

This is arithmetic alone: what a result is compared with, and what follows, is decided in Python, so that a wrong result
can only refuse a token. The library is the libcrypto of Python's own hashlib and ssl; without it, or if it does not
calculate as Python does, Python's own power is used.
"""

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from typing import Any

# Takes and returns a number as big-endian bytes, as many as the modulus has. Both numbers are less than the modulus.
Power = Callable[[bytes], bytes]


@lru_cache(maxsize=64)
def power(exponent: int, modulus: int) -> Power:
    """Raises numbers to the exponent, modulo an odd number."""
    size = (modulus.bit_length() + 7) // 8

    def by_python(base: bytes) -> bytes:
        return pow(int.from_bytes(base, "big"), exponent, modulus).to_bytes(size, "big")

    try:
        by_openssl = _power_by_openssl(exponent, modulus, size)
        # About half the modulus, so that all of the calculation is tried.
        sample = (modulus // 2 + 1).to_bytes(size, "big")
        return by_openssl if by_openssl(sample) == by_python(sample) else by_python
    except (ArithmeticError, AttributeError, ImportError, MemoryError, OSError):
        return by_python


def _power_by_openssl(exponent: int, modulus: int, size: int) -> Power:
    """The same by libcrypto. What it allocates is never freed: there are few keys, and each takes a kB."""
    # Here and not above: some Pythons cannot import it in a process that may not make memory executable.
    import ctypes  # noqa: PLC0415

    crypto = _libcrypto()

    def number(value: int) -> int:
        data = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return _given(crypto.BN_bin2bn(data, len(data), None))

    context, montgomery = _given(crypto.BN_CTX_new()), _given(crypto.BN_MONT_CTX_new())
    raised, divisor = number(exponent), number(modulus)
    base, result = _given(crypto.BN_new()), _given(crypto.BN_new())
    _given(crypto.BN_MONT_CTX_set(montgomery, divisor, context))
    buffer = ctypes.create_string_buffer(size)

    def by_openssl(data: bytes) -> bytes:
        if len(data) != size:
            raise ArithmeticError("the number is not as long as the modulus")
        _given(crypto.BN_bin2bn(data, size, base))
        _given(crypto.BN_mod_exp_mont(result, base, raised, divisor, context, montgomery))
        if crypto.BN_bn2binpad(result, buffer, size) != size:
            raise ArithmeticError("the result is not as long as the modulus")
        return buffer.raw

    return by_openssl


@lru_cache(maxsize=1)
def _libcrypto() -> Any:
    """The libcrypto that Python's hashlib is linked with. Raises OSError or AttributeError without one."""
    import ctypes  # noqa: PLC0415

    module = importlib.util.find_spec("_hashlib")
    if module is None or module.origin is None:
        raise ImportError("Python has no hashlib of OpenSSL's")
    # The functions of a library's own libraries are found through it.
    library = ctypes.CDLL(module.origin)
    number, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    # The types of their results and arguments: BN_mod_exp_mont(3), BN_bn2bin(3)
    functions: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "BN_CTX_new": (number, ()),
        "BN_MONT_CTX_new": (number, ()),
        "BN_MONT_CTX_set": (integer, (number, number, number)),
        "BN_new": (number, ()),
        "BN_bin2bn": (number, (text, integer, number)),
        "BN_mod_exp_mont": (integer, (number, number, number, number, number, number)),
        "BN_bn2binpad": (integer, (number, text, integer)),
    }
    for name, (result, arguments) in functions.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _given(value: int | None) -> int:
    """What a function of libcrypto has returned, unless that says that it has failed."""
    if not value:
        raise ArithmeticError("libcrypto cannot calculate")
    return value

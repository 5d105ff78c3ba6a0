import random
import unittest
from unittest import mock

from agent.access import powers
from agent.access.powers import power

EXPONENT = 65537


def modulus(bits: int, seed: int) -> int:
    """An odd number of that many bits."""
    return random.Random(seed).getrandbits(bits) | (1 << (bits - 1)) | 1


class PowersTest(unittest.TestCase):
    def setUp(self) -> None:
        powers.power.cache_clear()
        self.addCleanup(powers.power.cache_clear)

    def test_openssl_calculates_as_python_does(self) -> None:
        for bits in (2048, 2049, 3072, 4096, 8192):
            number = modulus(bits, bits)
            size = (bits + 7) // 8
            raised = power(EXPONENT, number)
            self.assertEqual(raised.__name__, "by_openssl")
            source = random.Random(1)
            for base in (0, 1, 2, number - 1, *(source.randrange(number) for _ in range(50))):
                self.assertEqual(int.from_bytes(raised(base.to_bytes(size, "big")), "big"), pow(base, EXPONENT, number))

    def test_numbers_of_several_keys_do_not_mix(self) -> None:
        keys = [modulus(2048, seed) for seed in range(4)]
        source = random.Random(2)
        for _ in range(100):
            key = source.choice(keys)
            base = source.randrange(key)
            self.assertEqual(
                int.from_bytes(power(EXPONENT, key)(base.to_bytes(256, "big")), "big"), pow(base, EXPONENT, key)
            )

    def test_a_number_of_another_size_is_refused(self) -> None:
        for size in (0, 255, 257, 100_000):
            with self.assertRaises(ArithmeticError):
                power(EXPONENT, modulus(2048, 1))(bytes(size))

    def test_python_calculates_where_there_is_no_libcrypto_or_it_is_wrong(self) -> None:
        number = modulus(2048, 3)
        base = (number // 3).to_bytes(256, "big")
        wanted = pow(number // 3, EXPONENT, number).to_bytes(256, "big")
        wrong = mock.Mock(return_value=mock.Mock(return_value=bytes(256)))
        for name, replacement in (
            ("_libcrypto", mock.Mock(side_effect=OSError("no such library"))),
            ("_libcrypto", mock.Mock(side_effect=AttributeError("no such function"))),
            ("_power_by_openssl", mock.Mock(side_effect=ArithmeticError("out of memory"))),
            ("_power_by_openssl", wrong),
        ):
            powers.power.cache_clear()
            with mock.patch.object(powers, name, replacement):
                raised = power(EXPONENT, number)
            self.assertEqual(raised.__name__, "by_python")
            self.assertEqual(raised(base), wanted)

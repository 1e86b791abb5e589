"""Signature and AES of WeCom's callbacks. Pure.

The cipher and the layout of what is sealed are wechatpy's. Opening is done here: its way compares
signatures in a time that depends on them and takes any padding.
"""

import binascii
import hashlib
import hmac
import struct
from base64 import b64decode

from wechatpy.crypto import PrpCrypto

BLOCK = 32
"""Padding is to 32 bytes, twice the block of AES (developer.work.weixin.qq.com, 加解密方案说明)."""
HEAD = 16
"""Random bytes in front."""


class ForgedError(Exception):
    """It was not signed with the token: 401, and no word on why."""


class SealError(Exception):
    """It was signed, but what is sealed in it is not for us or broken: 403."""


class Seal:
    """The token and key of one callback; `receiver` is the corp id, empty for the AI bot."""

    def __init__(self, token: str, aes_key: str, receiver: str) -> None:
        self._token = token
        self._receiver = receiver
        self._crypto = PrpCrypto(b64decode(aes_key + "="))

    def sign(self, timestamp: str, nonce: str, sealed: str) -> str:
        """The signature over a sealed text."""
        parts = "".join(sorted([self._token, timestamp, nonce, sealed]))
        return hashlib.sha1(parts.encode(), usedforsecurity=False).hexdigest()

    def check(self, signature: str, timestamp: str, nonce: str, sealed: str) -> None:
        """Raise ForgedError unless the signature is right."""
        right = self.sign(timestamp, nonce, sealed).encode()
        if not hmac.compare_digest(right, signature.encode("utf-8", "surrogateescape")):
            raise ForgedError

    def open(self, sealed: str) -> str:
        """The text that was sealed; `check` came before. Raises SealError."""
        try:
            plain: bytes = self._crypto.cipher.decrypt(b64decode(sealed, validate=True))
            content = unpadded(plain)[HEAD:]
            (length,) = struct.unpack_from(">I", content)
            text, receiver = content[4 : 4 + length], content[4 + length :]
            if len(text) != length or receiver != self._receiver.encode():
                raise SealError
            return text.decode()
        except (binascii.Error, struct.error, ValueError) as error:
            raise SealError from error

    def seal(self, text: str) -> str:
        """Seal an answer of ours."""
        sealed: bytes = self._crypto.encrypt(text, self._receiver)
        return sealed.decode()


def unpadded(plain: bytes) -> bytes:
    """Take the padding off; raises SealError if it is not exactly right."""
    count = plain[-1] if plain else 0
    if not 1 <= count <= BLOCK or len(plain) % BLOCK or plain[-count:] != bytes([count]) * count:
        raise SealError
    return plain[:-count]

"""The test vectors of the platform notes, and what must not be opened."""

import base64

import pytest
from wechatpy.crypto import PrpCrypto

from bots.wecom.crypto import ForgedError, Seal, SealError

KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
VECTORS = [
    (
        "hello 你好",
        "wwcorp1",
        "4j/AuRx71kQlxVlzbpsMWCUbl/mwNKayE165DN3rmh0T1lrW5we5LGwXU9uzR9IcU+YHMOfUMXYl6ga43KB9Rg==",
        "daf20fd8e1ca3d62cf24f72c9fb68601f54c30be",
    ),
    (
        '{"a":1}',
        "",
        "4j/AuRx71kQlxVlzbpsMWAYFZZU7pwuTdBEJpSxqoHo=",
        "14fe37ae6a2a91597bc2b5f8f9d344a886c820fc",
    ),
]


@pytest.mark.parametrize(("text", "receiver", "sealed", "signature"), VECTORS)
def test_the_vectors_are_signed_and_opened(text, receiver, sealed, signature):
    seal = Seal("Tok1", KEY, receiver)
    assert seal.sign("1700000000", "n1", sealed) == signature
    seal.check(signature, "1700000000", "n1", sealed)
    assert seal.open(sealed) == text


@pytest.mark.parametrize("length", range(70))
def test_a_text_of_any_length_comes_back(length):
    seal = Seal("Tok1", KEY, "wwcorp1")
    assert seal.open(seal.seal("您" * length)) == "您" * length


def test_what_another_receiver_was_sent_is_not_opened():
    with pytest.raises(SealError):
        Seal("Tok1", KEY, "wwcorp2").open(VECTORS[0][2])


def test_a_longer_receiver_is_not_taken_for_its_beginning():
    sealed = Seal("Tok1", KEY, "wwcorp11").seal("hello")
    with pytest.raises(SealError):
        Seal("Tok1", KEY, "wwcorp1").open(sealed)


@pytest.mark.parametrize(
    "padding", [b"\0", b"\x21" * 33, b"\x05\x05\x05\x05\x04", b"\x03\x02\x03", b"\x10" * 15]
)
def test_another_padding_is_not_opened(padding):
    plain = b"0123456789abcdef" + b"\0\0\0\x05hello" + b"wwcorp1"
    plain += bytes(-(len(plain) + len(padding)) % 32) + padding
    cipher = PrpCrypto(base64.b64decode(KEY + "=")).cipher
    sealed = base64.b64encode(cipher.encrypt(plain)).decode()
    with pytest.raises(SealError):
        Seal("Tok1", KEY, "wwcorp1").open(sealed)


@pytest.mark.parametrize("sealed", ["", "A", "AAAA", "é", "AAAAAAAAAAAAAAAAAAAAAA==", "=" * 44])
def test_what_is_no_sealed_text_is_not_opened(sealed):
    with pytest.raises(SealError):
        Seal("Tok1", KEY, "wwcorp1").open(sealed)


@pytest.mark.parametrize("signature", ["", "0" * 40, VECTORS[1][3], "é", "\udc80"])
def test_another_signature_is_forged(signature):
    with pytest.raises(ForgedError):
        Seal("Tok1", KEY, "wwcorp1").check(signature, "1700000000", "n1", VECTORS[0][2])

"""Files of every kind, and files that want to do harm, read by the child process."""

import asyncio
import io
import os
import resource
import sys
import zipfile
from pathlib import Path

import docx
import pytest
from documents import pdf_of, word_of

import core.files.reader
from core.enclosures import DOCUMENT_CHARACTERS
from core.files.kinds import Reason, UnreadableError
from core.files.reader import BusyError, FileReader

MEBIBYTE = 1 << 20


@pytest.fixture
def reader():
    return FileReader(places=2, seconds=20, memory_bytes=512 * MEBIBYTE)


async def reason_of(reader, content):
    with pytest.raises(UnreadableError) as caught:
        await reader.read(content)
    return caught.value.reason


async def test_a_word_document_is_read_with_its_tables_in_order(reader):
    document = docx.Document()
    document.add_paragraph("退货政策")
    row = document.add_table(1, 2).rows[0]
    row.cells[0].text, row.cells[1].text = "七天", "免费"
    document.add_paragraph("完")
    packed = io.BytesIO()
    document.save(packed)
    reading = await reader.read(packed.getvalue())
    assert (reading.kind, reading.text) == ("docx", "退货政策\n七天 | 免费\n完")


async def test_a_pdf_is_read(reader):
    reading = await reader.read(pdf_of("Returns within seven days"))
    assert (reading.kind, reading.text) == ("pdf", "Returns within seven days")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
async def test_text_is_read_in_the_encodings_that_customers_use(reader, encoding):
    reading = await reader.read("# 退货\n七天".encode(encoding))
    assert (reading.kind, reading.text) == ("text", "# 退货\n七天")


@pytest.mark.parametrize("text", ["BMW X5 保养手册", "RIFF 是一种容器格式", "GIF8 课后笔记"])
async def test_text_is_not_taken_for_a_picture_by_its_first_letters(reader, text):
    assert (await reader.read(text.encode())).text == text


async def test_a_long_file_is_cut_and_says_so(reader):
    reading = await reader.read(b"a line\n" * DOCUMENT_CHARACTERS)
    assert (len(reading.text), reading.is_cut) == (DOCUMENT_CHARACTERS, True)
    reading = await reader.read(word_of("x" * (DOCUMENT_CHARACTERS + 1)))
    assert (len(reading.text), reading.is_cut) == (DOCUMENT_CHARACTERS, True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.EMPTY),
        (b" \n ", Reason.EMPTY),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, Reason.IMAGE),
        (b"\xff\xd8\xff\xe0 jpeg", Reason.IMAGE),
        (
            b"BM" + (1 << 16).to_bytes(4, "little") + b"\0\0\0\0\x36\0\0\0" + b"\xff" * 64,
            Reason.IMAGE,
        ),
        (b"RIFF\x24\0\0\0WEBPVP8 " + b"\xff" * 64, Reason.IMAGE),
        (b"\x7fELF\x02\x01\x01\0\0", Reason.UNKNOWN),
        (b"%PDF-1.7 and nothing after it", Reason.DAMAGED),
        (b"PK\x03\x04 and nothing after it", Reason.DAMAGED),
        (pdf_of(""), Reason.NO_TEXT),
    ],
)
async def test_what_cannot_be_read_has_a_reason(reader, content, reason):
    assert await reason_of(reader, content) == reason


async def test_an_archive_that_is_no_word_document_is_not_read(reader):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert await reason_of(reader, packed.getvalue()) == Reason.UNKNOWN


def locked(content):
    """An archive whose every entry says that it has a password."""
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content = content[: at + place] + b"\x01" + content[at + place + 1 :]
            at = content.find(mark, at + 1)
    return content


def word_document(xml):
    """A Word document whose main part is something else."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word_of("x"))) as whole, zipfile.ZipFile(packed, "w") as made:
        for name in whole.namelist():
            made.writestr(name, xml if name == "word/document.xml" else whole.read(name))
    return packed.getvalue()


@pytest.mark.parametrize(
    "content", [locked(word_of("x")), word_document(b"<a/>"), word_document(b"<w:document/>")]
)
async def test_whatever_a_broken_document_does_to_its_parser_it_is_called_damaged(reader, content):
    assert await reason_of(reader, content) == Reason.DAMAGED


async def test_a_pdf_of_thousands_of_pages_is_read_until_enough_is_known(reader):
    reading = await reader.read(pdf_of("Ten thousand times the same page", pages=10_000))
    assert (len(reading.text), reading.is_cut) == (DOCUMENT_CHARACTERS, True)
    assert await reason_of(reader, pdf_of("", pages=3_000)) == Reason.NO_TEXT


async def test_a_small_document_with_a_million_paragraphs_does_no_harm(reader):
    body = b"<w:p/>" * 1_000_000
    space = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    xml = b'<w:document xmlns:w="%s"><w:body>%s</w:body></w:document>' % (space, body)
    assert await reason_of(reader, word_document(xml)) in {Reason.NO_TEXT, Reason.TOO_HEAVY}


async def test_a_child_that_was_taken_over_can_neither_fork_nor_say_more_than_a_text(monkeypatch):
    hostile = """
import os, sys
from core.files.child import limit_resources
if os.getuid() == 0: os.setuid(65534)
limit_resources(*map(int, sys.argv[1:]))
sys.stdin.buffer.read()
try:
    os.fork()
except OSError:
    while True: os.write(1, b"x" * 65536)
os.write(1, b'{"kind": "text", "text": "forked"}\\n')
"""
    monkeypatch.setattr(core.files.reader, "_COMMAND", (sys.executable, "-c", hostile))
    monkeypatch.setenv("PYTHONPATH", "")
    reader = FileReader(places=1, seconds=20, memory_bytes=512 * MEBIBYTE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with asyncio.timeout(15):
        assert await reason_of(reader, b"text") == Reason.TOO_HEAVY
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


async def test_no_child_outlives_the_reader_that_gave_up(reader):
    hasty = FileReader(places=1, seconds=0.01, memory_bytes=512 * MEBIBYTE)
    await reason_of(hasty, b"text")
    reading = asyncio.create_task(reader.read(b"text"))
    while not children():
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    assert children() == []


def children():
    """Processes of this one's that read a file."""
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


async def test_a_zip_bomb_is_not_unpacked(reader):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 120_000_000)
    assert len(packed.getvalue()) < MEBIBYTE
    assert await reason_of(reader, packed.getvalue()) == Reason.TOO_HEAVY


async def test_entities_of_a_document_are_not_resolved(reader, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the company's secret")
    hostile = word_of("innocent", entity=f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]>')
    assert "secret" not in (await reader.read(hostile)).text


async def test_a_file_that_takes_too_much_memory_is_given_up():
    small = FileReader(places=1, seconds=20, memory_bytes=128 * MEBIBYTE)
    assert await reason_of(small, b"x" * 100_000_000) == Reason.TOO_HEAVY


async def test_a_file_that_takes_too_long_is_given_up():
    hasty = FileReader(places=1, seconds=0.01, memory_bytes=512 * MEBIBYTE)
    assert await reason_of(hasty, b"text") == Reason.TOO_HEAVY


async def test_more_files_than_may_wait_are_turned_away():
    reader = FileReader(places=1, seconds=20, memory_bytes=512 * MEBIBYTE)
    said = await asyncio.gather(*(reader.read(b"text") for _ in range(7)), return_exceptions=True)
    assert sum(isinstance(each, BusyError) for each in said) == 2
    assert (await reader.read(b"text")).text == "text"


async def test_a_reader_that_is_cancelled_leaves_its_place(reader):
    reading = asyncio.create_task(reader.read(b"text"))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    assert (await reader.read(b"text")).text == "text"

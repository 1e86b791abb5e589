import pytest

from core.knowledge.documents import PASSAGE_CHARACTERS, parse_markdown, parse_text

MANUAL = """\
---
title: ignored
---
# Kettle

Read this first.

## Cleaning

<!-- for editors only -->
### Descaling

![picture](scale.png)
Use *citric acid*.

```
# not a heading
```

## Warranty ##

Two years.
"""


def test_a_passage_is_titled_by_the_document_and_the_headings_above_it():
    passages = list(parse_markdown(MANUAL, "shop/manual.md"))
    assert [(passage.title, passage.text) for passage in passages] == [
        ("Kettle", "Read this first."),
        ("Kettle › Cleaning › Descaling", "Use *citric acid*.\n\n```\n# not a heading\n```"),
        ("Kettle › Warranty", "Two years."),
    ]
    assert {passage.path for passage in passages} == {"shop/manual.md"}


def test_a_document_without_headings_is_titled_by_its_file():
    (passage,) = parse_markdown("Just a line.", "shop/opening hours.en.md")
    assert (passage.title, passage.language) == ("opening hours", "en")


def test_a_long_section_is_cut_into_passages_that_keep_its_title():
    text = "# 手册\n\n## 清洁\n\n" + "\n\n".join(
        f"第{n}步：请用软布擦拭外壳。" * 8 for n in range(20)
    )
    passages = list(parse_markdown(text, "manual.md"))
    assert {passage.title for passage in passages} == {"手册 › 清洁"}
    assert all(len(passage.text) <= PASSAGE_CHARACTERS[1] for passage in passages)
    assert len(passages) > 3
    body = text.split("## 清洁")[1]
    assert "".join("".join(p.text for p in passages).split()) == "".join(body.split())


def test_a_heading_of_a_higher_level_ends_the_ones_below_it():
    text = "# A\n\n### deep\n\none\n\n## B\n\ntwo\n\n# C\n\nthree"
    titles = [passage.title for passage in parse_markdown(text, "x.md")]
    assert titles == ["A › deep", "A › B", "C"]


def test_a_fence_is_closed_only_by_its_own_kind():
    text = "# A\n\n````\n```\n# no heading\n````\n\n# B\n\nend"
    assert [passage.title for passage in parse_markdown(text, "x.md")] == ["A", "B"]


def test_a_plain_text_is_cut_at_its_paragraphs():
    text = "\n\n".join(
        f"Paragraph {number}. " + "Some words follow here. " * 15 for number in range(6)
    )
    passages = list(parse_text(text, "notes.txt"))
    assert len(passages) == 6
    assert all(passage.text.startswith("Paragraph") for passage in passages)
    assert passages[0].title == "notes"


@pytest.mark.parametrize(
    ("path", "text", "language"),
    [
        ("a.zh.md", "only English inside", "zh"),
        ("a.zh-TW.txt", "說明", "zh-TW"),
        ("a.md", "说明书的内容", "zh"),
        ("a.md", "English text", ""),
        ("v1.md", "English text", ""),
    ],
)
def test_the_language_is_said_by_the_file_name_or_given_away_by_the_script(path, text, language):
    parse = parse_text if path.endswith("txt") else parse_markdown
    assert [passage.language for passage in parse(text, path)] == [language]


@pytest.mark.parametrize("text", ["", "\n\n", "# Only a heading", "<!-- nothing -->"])
def test_a_document_without_text_has_no_passages(text):
    assert list(parse_markdown(text, "x.md")) == []

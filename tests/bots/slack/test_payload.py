import pytest

from bots.slack.payload import mentioned, readable, wire_text, without_mention


@pytest.mark.parametrize(
    ("wire", "read"),
    [
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt; stays what it was", "&lt; stays what it was"),
        ("<@U1> and <@U2|bob> and <@U3>", "@Ann and @bob and @U3"),
        ("see <#C1|general> and <#C2>", "see #general and #C2"),
        ("<!here> <!channel> <!everyone|everyone>", "@here @channel everyone"),
        ("<!subteam^S1|@ops> <!subteam^S2>", "@ops @group"),
        ("<!date^1392734382^{date}|Feb 18>", "Feb 18"),
        ("<https://x.example/a?b=1&amp;c=2>", "https://x.example/a?b=1&c=2"),
        ("<https://x.example|the page>", "the page (https://x.example)"),
        ("<https://x.example/|x.example>", "https://x.example/"),
        ("<mailto:a@x.example|a@x.example>", "a@x.example"),
        ("<tel:+491|+491>", "+491"),
        ("a < b and <>", "a < b and <>"),
        ("&lt;!channel&gt;", "<!channel>"),
    ],
)
def test_wire_text_reads_as_its_writer_saw_it(wire, read):
    assert readable(wire, {"U1": "Ann"}) == read


def test_a_mention_is_told_by_its_entity_and_not_by_words():
    assert mentioned("<@U1> @U2 &lt;@U3&gt; <@W4|wendy>") == {"U1", "W4"}


def test_the_own_mention_is_taken_out_wherever_it_stands():
    wire = "<@UBOT|xiaoq>\nfirst line\nsecond <@UBOT>, please <@U1>"
    assert without_mention(wire, "UBOT") == "first line\nsecond, please <@U1>"


def test_words_that_stand_in_blocks_only_are_found():
    section = {
        "type": "rich_text_section",
        "elements": [
            {"type": "text", "text": "if a < b ask "},
            {"type": "user", "user_id": "U1"},
            {"type": "link", "url": "https://x.example", "text": "here"},
            {"type": "emoji", "name": "wave"},
            {"type": "broadcast", "range": "here"},
        ],
    }
    items = {"type": "rich_text_list", "elements": [section, section]}
    blocks = [
        {"type": "rich_text", "elements": [section, items]},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*bold*"}},
        {
            "type": "table",
            "rows": [[{"type": "raw_text", "text": "a"}, {"type": "raw_text", "text": "b"}]],
        },
    ]
    line = "if a &lt; b ask <@U1><https://x.example|here>:wave:<!here>"
    assert wire_text({"text": "", "blocks": blocks}).split("\n") == [
        line,
        f"- {line}",
        f"- {line}",
        "*bold*",
        "a | b",
    ]


def test_a_forwarded_message_stands_below_what_was_said_about_it():
    shared = {"text": "what is this?", "attachments": [{"is_share": True, "text": "old words"}]}
    assert wire_text(shared) == "what is this?\n\nold words"


@pytest.mark.parametrize("odd", [None, 3, [], {}, [None], [{"type": None}], [[1]]])
def test_odd_shapes_hold_no_words(odd):
    assert wire_text({"text": odd, "blocks": odd, "attachments": odd}) == ""


def test_blocks_within_blocks_end_somewhere():
    block: dict = {"type": "section"}
    for _ in range(5_000):
        block = {"type": "x", "elements": [block]}
    assert wire_text({"blocks": [block]}) == ""


def test_control_characters_and_lone_surrogates_are_left_out():
    assert wire_text({"text": "a\x00b\ud800c\n"}) == "abc\n"

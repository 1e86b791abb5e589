"""What Slack refuses in a message, and what is alive in one it takes.

The limits are those of https://docs.slack.dev/reference/block-kit/blocks and of the methods' own
pages; the sum over all blocks is a measured one (bolt-js issue 2509).
"""

import re
from collections.abc import Callable, Iterator

from peers.slack_records import Body, SlackError, texts_in

TEXT_CUT = 40_000
"""Characters after which `chat.postMessage` cuts `text`."""
UPDATE_TEXT = 4_000
"""Characters of `text` that `chat.update` takes."""
MARKDOWN = 12_000
"""Characters of `markdown_text`, and of all markdown blocks of a message together."""
ALL_BLOCKS = 13_200
"""Characters of all blocks of a message together."""
BLOCKS = 50
VIEW_BLOCKS = 100

TS = re.compile(r"\d{10}\.\d{6}")
MENTION = re.compile(r"<(!channel|!here|!everyone|!subteam\^\w+|@[UWB]\w+)(\|[^<>]*)?>")
LINK = re.compile(r"<(https?:|mailto:|tel:|#C\w+)[^<>]*>")
CODE = re.compile(r"(`{3,}|~{3,}).*?(\1|\Z)|(`+)(?!`).*?(?<!`)\3(?!`)", re.DOTALL)


def check_text(body: Body) -> None:
    """Check the arguments that say what a message says."""
    markdown = body.get("markdown_text")
    if markdown is not None and (body.get("text") is not None or body.get("blocks")):
        raise SlackError("markdown_text_conflict")
    if markdown is not None and len(str(markdown)) > MARKDOWN:
        raise SlackError("msg_too_long")
    if not any(body.get(name) for name in ("text", "blocks", "attachments", "markdown_text")):
        raise SlackError("no_text")


def check_blocks(blocks: object, limit: int = BLOCKS) -> list[Body]:
    """Return the blocks of a message or view if Slack takes them."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise SlackError("invalid_blocks_format")
    if len(blocks) > limit:
        raise refusal(f"no more than {limit} items allowed", "/blocks")
    for i, block in enumerate(blocks):
        check_block(block, f"/blocks/{i}")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(set(ids)) != len(ids):
        raise refusal("block_id already exists", "/blocks")
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise SlackError("only_one_table_allowed")
    return blocks


def check_message_blocks(blocks: object) -> list[Body]:
    """Return the blocks of a message, which has limits over all its blocks as well."""
    good = check_blocks(blocks)
    if sum(len(b["text"]) for b in good if b["type"] == "markdown") > MARKDOWN:
        raise SlackError("msg_blocks_too_long")
    if sum(len(text) for text in texts_in(good)) > ALL_BLOCKS:
        raise SlackError("msg_blocks_too_long")
    return good


def check_block(block: Body, where: str) -> None:
    """Check one block by its type."""
    check = BLOCK_CHECKS.get(str(block.get("type")))
    if check is None:
        raise refusal(f"unsupported type: {block.get('type')}", f"{where}/type")
    if len(str(block.get("block_id", ""))) > 255:
        raise refusal("must be less than 256 characters", f"{where}/block_id")
    check(block, where)


def check_section(block: Body, where: str) -> None:
    """Check a section: text up to 3,000 or ten fields up to 2,000."""
    if "text" not in block and not block.get("fields"):
        raise refusal("missing required field: text", where)
    if "text" in block:
        check_text_object(block["text"], f"{where}/text", 3_000)
    fields = check_items(block, "fields", where, 10)
    for i, item in enumerate(fields):
        check_text_object(item, f"{where}/fields/{i}", 2_000)
    if "accessory" in block:
        check_element(block["accessory"], f"{where}/accessory")


def check_header(block: Body, where: str) -> None:
    """Check a header: plain text up to 150."""
    check_text_object(block.get("text"), f"{where}/text", 150, plain=True)


def check_markdown(block: Body, where: str) -> None:
    """Check a markdown block: any text but none."""
    if not isinstance(block.get("text"), str) or not block["text"]:
        raise refusal("must be more than 0 characters", f"{where}/text")


def check_context(block: Body, where: str) -> None:
    """Check a context: one to ten texts or images."""
    for i, item in enumerate(check_items(block, "elements", where, 10, least=1)):
        if item.get("type") != "image":
            check_text_object(item, f"{where}/elements/{i}", 3_000)


def check_actions(block: Body, where: str) -> None:
    """Check a row of up to 25 elements with different action ids."""
    elements = check_items(block, "elements", where, 25, least=1)
    for i, element in enumerate(elements):
        check_element(element, f"{where}/elements/{i}")
    ids = [element["action_id"] for element in elements if "action_id" in element]
    if len(set(ids)) != len(ids):
        raise refusal("action_id already exists", f"{where}/elements")


def check_context_actions(block: Body, where: str) -> None:
    """Check a row of up to five feedback or icon buttons."""
    for i, element in enumerate(check_items(block, "elements", where, 5, least=1)):
        if element.get("type") not in ("feedback_buttons", "icon_button"):
            raise refusal("unsupported type", f"{where}/elements/{i}/type")
        check_element(element, f"{where}/elements/{i}")


def check_table(block: Body, where: str) -> None:
    """Check a table: up to 100 rows of up to 20 cells."""
    for i, row in enumerate(block.get("rows") or []):
        if i >= 100 or not isinstance(row, list) or len(row) > 20:
            raise refusal("no more than 100 rows of 20 cells", f"{where}/rows/{i}")
    if not block.get("rows"):
        raise refusal("missing required field: rows", where)


def check_image(block: Body, where: str) -> None:
    """Check an image: an alternative text up to 2,000 is required."""
    if not 0 < len(str(block.get("alt_text", ""))) <= 2_000:
        raise refusal("must be 1 to 2000 characters", f"{where}/alt_text")


def check_input(block: Body, where: str) -> None:
    """Check an input of a view: a label up to 2,000 and an element."""
    check_text_object(block.get("label"), f"{where}/label", 2_000, plain=True)
    check_element(block.get("element"), f"{where}/element")


def accept(_block: Body, _where: str) -> None:
    """Take a block whose inside this fake does not look at."""


BLOCK_CHECKS: dict[str, Callable[[Body, str], None]] = {
    "section": check_section,
    "header": check_header,
    "markdown": check_markdown,
    "context": check_context,
    "actions": check_actions,
    "context_actions": check_context_actions,
    "table": check_table,
    "image": check_image,
    "input": check_input,
    "divider": accept,
    "rich_text": accept,
    "task_card": accept,
    "plan": accept,
    "video": accept,
}


def check_element(element: object, where: str) -> None:
    """Check a button or another thing with an action id."""
    if not isinstance(element, dict) or not element.get("type"):
        raise refusal("missing required field: type", where)
    if len(str(element.get("action_id", ""))) > 255:
        raise refusal("must be less than 256 characters", f"{where}/action_id")
    if len(str(element.get("value", ""))) > 2_000:
        raise refusal("must be less than 2001 characters", f"{where}/value")
    if element["type"] == "button":
        check_text_object(element.get("text"), f"{where}/text", 75, plain=True)
    if element["type"] == "feedback_buttons":
        for name in ("positive_button", "negative_button"):
            check_feedback(element.get(name), f"{where}/{name}")


def check_feedback(button: object, where: str) -> None:
    """Check one of the two thumbs: text up to 75, a value up to 2,000."""
    if not isinstance(button, dict) or not isinstance(button.get("value"), str):
        raise refusal("missing required field: value", where)
    if len(button["value"]) > 2_000:
        raise refusal("must be less than 2001 characters", f"{where}/value")
    check_text_object(button.get("text"), f"{where}/text", 75, plain=True)


def check_text_object(text: object, where: str, limit: int, *, plain: bool = False) -> None:
    """Check a text object of a block."""
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(text, dict) or text.get("type") not in kinds:
        raise refusal(f"must be a text object of {kinds}", where)
    if not isinstance(text.get("text"), str) or not text["text"]:
        raise refusal("must be more than 0 characters", f"{where}/text")
    if len(text["text"]) > limit:
        raise refusal(f"must be less than {limit + 1} characters", f"{where}/text")


def check_items(block: Body, name: str, where: str, most: int, least: int = 0) -> list[Body]:
    """Return a block's list if it has a good length and objects in it."""
    items = block.get(name) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise refusal("must be a list of objects", f"{where}/{name}")
    if not least <= len(items) <= most:
        raise refusal(f"must have {least} to {most} items", f"{where}/{name}")
    return items


def refusal(words: str, pointer: str) -> SlackError:
    """Build Slack's `invalid_blocks`, which says what and where."""
    return SlackError("invalid_blocks", f"{words} [json-pointer:{pointer}]")


def check_view(view: object, kind: str) -> Body:
    """Return a view of a kind if Slack takes it."""
    if not isinstance(view, dict) or view.get("type") != kind:
        raise SlackError("invalid_arguments", f"view must be of type {kind} [json-pointer:/view]")
    if kind == "modal":
        check_text_object(view.get("title"), "/view/title", 24, plain=True)
    if len(str(view.get("private_metadata", ""))) > 3_000:
        raise SlackError("invalid_arguments", "must be less than 3001 [private_metadata]")
    check_blocks(view.get("blocks"), VIEW_BLOCKS)
    return view


def find_live(text: str, blocks: list[Body]) -> Iterator[tuple[str, str, re.Match[str]]]:
    """Yield what would ping or link: its kind, where it stands, and the match.

    In mrkdwn code protects nothing, because Slack reads `<...>` before anything else; in markdown
    a code span or fence does.
    """
    for where, piece in [("text", text), *mrkdwn_in(blocks)]:
        prose = CODE.sub("", piece) if where == "markdown" else piece
        for match in MENTION.finditer(prose):
            yield "mention", where, match
        for match in LINK.finditer(prose if where != "markdown" else ""):
            yield "link", where, match


def mrkdwn_in(part: object) -> Iterator[tuple[str, str]]:
    """Yield the texts that Slack formats, with the kind of text each is."""
    if isinstance(part, list):
        for item in part:
            yield from mrkdwn_in(item)
    if isinstance(part, dict):
        if part.get("type") in ("mrkdwn", "markdown") and isinstance(part.get("text"), str):
            yield part["type"], part["text"]
        for value in part.values():
            yield from mrkdwn_in(value)

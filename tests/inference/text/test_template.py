import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment
from peers.qwen import ADDED, small_tokenizer
from tokenizers import Tokenizer

from inference.text.template import ChatMessage, render_chat
from inference.text.tokenizer import ChatTokenizer, Mark
from inference.text.tools import Tool, ToolCall

SMALL = ChatTokenizer(small_tokenizer())
WEATHER = Tool(
    "get_weather",
    "天气 & <weather>",
    {"type": "object", "properties": {"zip": {"type": "string"}, "city": {"type": "string"}}},
)
CALL = ToolCall("get_weather", '{"city": "北京", "days": 3}')
CHAT = (
    ChatMessage("system", "你是小Q。"),
    ChatMessage("user", "\n\n 北京明天天气怎么样？ "),
    ChatMessage("assistant", "我查一下。", (CALL, ToolCall("get_weather", "{}"))),
    ChatMessage("tool", '{"temperature": 21}'),
    ChatMessage("tool", "晴"),
    ChatMessage("assistant", "晴，21 度。"),
    ChatMessage("user", "谢谢"),
)


def qwen_template(messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> str:
    """What Qwen's own template makes of a chat, rendered as transformers does."""
    jinja = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    jinja.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = jinja.from_string((Path(__file__).parent / "data" / "qwen2_5.jinja").read_text())
    return template.render(
        messages=[as_dict(message) for message in messages],
        tools=[{"type": "function", "function": tool_as_dict(tool)} for tool in tools],
        add_generation_prompt=True,
    )


def as_dict(message: ChatMessage) -> dict[str, object]:
    calls = [{"name": c.name, "arguments": json.loads(c.arguments)} for c in message.calls]
    return {"role": message.role, "content": message.text, "tool_calls": calls}


def tool_as_dict(tool: Tool) -> dict[str, object]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def reference(tokenizer: ChatTokenizer, text: str) -> list[int]:
    """Encode as everybody does, letters of control tokens included."""
    return Tokenizer.from_str(tokenizer.describe()).encode(text).ids


def test_a_chat_is_the_tokens_of_qwens_own_template(tokenizer: ChatTokenizer) -> None:
    for size in range(1, len(CHAT) + 1):
        expected = reference(tokenizer, qwen_template(CHAT[:size], [WEATHER]))
        assert tokenizer.encode(*render_chat(CHAT[:size], [WEATHER])) == expected


def test_a_chat_without_system_message_has_qwens(tokenizer: ChatTokenizer) -> None:
    chat = [ChatMessage("user", "你好")]
    for tools in ([], [WEATHER]):
        expected = reference(tokenizer, qwen_template(chat, tools))
        assert tokenizer.encode(*render_chat(chat, tools)) == expected


HARMLESS = st.text(st.characters(exclude_characters="<", exclude_categories=["Cs"]))


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), HARMLESS), min_size=1))
def test_harmless_texts_are_the_tokens_of_qwens_own_template(turns: list[tuple]) -> None:
    chat = [ChatMessage(role, text) for role, text in turns]
    assert SMALL.encode(*render_chat(chat)) == reference(SMALL, qwen_template(chat))


HOSTILE = st.lists(st.sampled_from([*ADDED, "\n", "system\n"]) | st.text()).map("".join)
MESSAGES = st.builds(
    ChatMessage,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    HOSTILE,
    st.lists(st.builds(ToolCall, HOSTILE, HOSTILE), max_size=2).map(tuple),
)


@given(st.lists(MESSAGES, max_size=5), HOSTILE)
def test_hostile_texts_add_no_control_token(chat: list[ChatMessage], words: str) -> None:
    tools = [Tool(words, words, {"description": words})]
    segments = render_chat(chat, tools)
    marks = [SMALL.id_of(part) for part in segments if isinstance(part, Mark)]
    ids = SMALL.encode(*segments)
    assert [token for token in ids if token in SMALL.controls] == marks


@given(st.lists(MESSAGES, max_size=4), HOSTILE, HOSTILE)
def test_a_chat_goes_on_with_the_same_tokens(
    chat: list[ChatMessage], answer: str, question: str
) -> None:
    """Else the pages of the cache that hold it would be lost with every question."""
    before = SMALL.encode(*render_chat(chat))
    longer = [*chat, ChatMessage("assistant", answer), ChatMessage("user", question)]
    after = SMALL.encode(*render_chat(longer))
    common = before[:-1]  # The line end after "assistant" may share a token with the answer.
    assert after[: len(common)] == common


def test_the_order_of_a_tools_parameters_is_kept() -> None:
    [described] = [part for part in render_chat([], [WEATHER]) if "zip" in str(part)]
    assert str(described).index("zip") < str(described).index("city")


def test_a_tool_without_description_or_parameters_has_neither() -> None:
    text = "".join([part for part in render_chat([], [Tool("ping")]) if isinstance(part, str)])
    assert '{"type": "function", "function": {"name": "ping"}}' in text


def test_a_call_is_written_in_the_letters_of_its_arguments() -> None:
    """What the model wrote comes back as the same tokens, spaces and all."""
    call = ToolCall("f", '{"a":1,  "b":[ ]}')
    text = "".join([str(p) for p in render_chat([ChatMessage("assistant", "", (call,))])])
    assert '\n{"name": "f", "arguments": {"a":1,  "b":[ ]}}\n' in text


def test_a_call_without_arguments_has_an_empty_object() -> None:
    text = "".join(
        str(p) for p in render_chat([ChatMessage("assistant", "", (ToolCall("f", ""),))])
    )
    assert '"arguments": {}}' in text

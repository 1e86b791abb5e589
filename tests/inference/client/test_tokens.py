"""The estimate against real counts.

The counts are those of Qwen2.5's tokenizer, computed from the ranks in the `dashscope` 2.0.2 wheel
(`dashscope/resources/qwen.tiktoken`) by tiktoken 0.14.0 and again by tokenizers 0.23.3.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.client.tokens import estimate_tokens

CHINESE = (
    ("你好", 1),
    ("请问怎么退货？", 4),
    ("我昨天下的订单什么时候发货？快递单号查不到。", 13),
    ("您好，您的包裹已经到达本地分拣中心，预计明天下午送达，请保持电话畅通。", 20),
    ("发票抬头开错了，可以重新开一张增值税专用发票吗？", 14),
    ("这款扫地机器人保修两年，电池保修一年，人为损坏不在保修范围内。", 17),
    ("我要转人工客服！", 5),
    ("忘记密码了怎么办", 4),
    ("本店支持七天无理由退换货，商品需保持完好，不影响二次销售；定制类、鲜活易腐类商品除外。", 30),
    ("亲，麻烦您提供一下订单号和收货人姓名，我这边帮您核实一下物流信息哦～", 24),
    ("為什麼我的訂單顯示已取消？我已經付款了。", 13),
    ("退款將於三個工作天內退回原付款帳戶，節假日順延，敬請耐心等候。", 23),
    ("长按电源键五秒，听到“滴”的一声后松开，指示灯变为蓝色闪烁即进入配网模式。", 27),
    ("耳机左边没声音，重置过了还是不行，怎么修？", 14),
)
ENGLISH = (
    ("Hello", 1),
    ("How do I return an item?", 7),
    ("Where is my order? I placed it last Tuesday and it still has not shipped.", 17),
    ("Thank you for your patience. Your refund has been processed and should arrive soon.", 16),
    ("I forgot my password and the reset email never arrives.", 11),
    ("Please hold the power button for five seconds until the light turns blue.", 14),
    ("Can I change the delivery address after the order has been dispatched?", 13),
    ("this is the third time im writing, nobody answers!!", 11),
    ("The warranty covers manufacturing defects for two years; accidental damage is excluded.", 14),
    ("I'd like to speak to a human, please. It isn't working and I can't find the receipt.", 23),
    ("Your vacuum cleaner needs a firmware update before it can connect to the new router.", 16),
    ("What is the difference between express and standard shipping to Canada?", 12),
    ("WHY WAS I CHARGED TWICE FOR THE SAME INVOICE?", 15),
)
MIXED = (
    ("我的 iPhone 15 Pro 连不上 Wi-Fi，提示 error 403", 18),
    ("订单号 SF-20261122-0091，金额 ¥1,299.00，请尽快 refund", 31),
    ("请把 PDF 发到 service@example.com，谢谢！", 11),
    ("App 更新到 v3.2.1 之后一直闪退，Android 14 系统", 22),
    ("第1步：打开“设置”；第2步：点击 Bluetooth → Pair new device", 19),
)
CODE = (
    ("def total(prices):\n    return sum(price * 0.9 for price in prices)\n", 19),
    ('{"order_id": 1024, "status": "shipped", "items": ["a", "b"]}', 26),
    ("SELECT name, price FROM products WHERE stock > 0 ORDER BY price DESC LIMIT 10;", 20),
    ('curl -X POST https://api.example.com/v1/orders?id=42 -H "Accept: application/json"', 24),
    ("## 退货\n\n1. 打开订单页\n2. 点击“申请退货”\n\n- 运费由我们承担\n", 29),
)
DIGITS = (
    ("13800138000", 11),
    ("2026-11-22 18:03:55", 19),
    ("¥1,299.00", 9),
    ("电话：400-820-8820 转 3", 19),
    ("6222 0212 3456 7890 123", 23),
)
EMOJI = (
    ("😀", 1),
    ("谢谢👍", 2),
    ("太慢了😡😡😡", 6),
    ("👨‍👩‍👧 家庭装 🎁", 14),
    ("❤️ ok ✅", 5),
    ("🇨🇳 🇺🇸 shipping", 7),
)
ALL = CHINESE + ENGLISH + MIXED + CODE + DIGITS + EMOJI


@pytest.mark.parametrize(("text", "real"), ALL)
def test_the_estimate_is_not_below_the_real_count(text: str, real: int) -> None:
    assert estimate_tokens(text) >= real


@pytest.mark.parametrize(
    ("samples", "most"),
    [(CHINESE, 1.6), (ENGLISH, 1.7), (MIXED, 1.6), (CODE, 1.75), (DIGITS, 1.1), (EMOJI, 2.2)],
)
def test_the_estimate_is_not_far_above_the_real_count(
    samples: tuple[tuple[str, int], ...], most: float
) -> None:
    estimated = sum(estimate_tokens(text) for text, _ in samples)
    assert estimated <= most * sum(real for _, real in samples)


@given(st.text())
def test_every_text_has_an_estimate_within_its_bytes(text: str) -> None:
    size = len(text.encode(errors="surrogatepass"))
    assert (size > 0) <= estimate_tokens(text) <= 2 * size


def test_a_text_with_half_a_character_is_estimated() -> None:
    assert estimate_tokens("\ud83d") > 0

"""Addresses that callbacks name are called only if they are WeCom's."""

import pytest

from bots.wecom.aibot.hosts import Hosts

REAL = Hosts("https://qyapi.weixin.qq.com/cgi-bin/")
PROXIED = Hosts("http://10.0.0.5:8080/cgi-bin/")


@pytest.mark.parametrize(
    "address",
    [
        "https://qyapi.weixin.qq.com/cgi-bin/aibot/response?response_code=RC",
        "https://ww-aibot-img-1258476243.cos.ap-guangzhou.myqcloud.com/x?sign=1",
    ],
)
def test_wecoms_hosts_are_called_whatever_the_base(address):
    assert REAL.hold(address)
    assert PROXIED.hold(address)


def test_the_base_itself_is_called():
    assert PROXIED.hold("http://10.0.0.5:8080/cgi-bin/aibot/response?x=1")
    assert not REAL.hold("http://10.0.0.5:8080/cgi-bin/aibot/response?x=1")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/cgi-bin/aibot/response",
        "https://example.com/",
        "https://evilqq.com/",
        "https://qq.com.example.com/",
        "https://qyapi.weixin.qq.com@example.com/",
        "https://user:pw@qyapi.weixin.qq.com/",
        "http://qyapi.weixin.qq.com/",
        "https://qyapi.weixin.qq.com:8443/",
        "http://10.0.0.5:8081/",
        "https://10.0.0.5:8080/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "https://[::1",
        "https://qyapi.weixin.qq.com:99999/",
        "\ud800",
    ],
)
def test_nothing_else_is_called(address):
    assert not PROXIED.hold(address)

"""The proxy that the environment names."""

from bots.proxies import proxy_for


def test_the_environments_proxy_is_used_where_it_should_be(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "127.0.0.1,telegram.local")
    assert proxy_for("https://api.telegram.org") == "http://proxy.example:3128"
    assert proxy_for("https://telegram.local/bot") is None
    assert proxy_for("https://127.0.0.1:8081/") is None

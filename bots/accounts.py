"""The accounts of all platforms that the settings name.

A platform's module, and with it the platform's library, is imported when an account of it is set
up: one that nobody uses costs neither memory nor time at the start.
"""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from importlib import import_module

from bots.adapter import Adapter
from bots.house import House


def open_accounts(house: House) -> Iterator[AbstractAsyncContextManager[Adapter]]:
    """Each account, to be opened by the composition root; one of WeCom is up to three."""
    for telegram in house.settings.telegram:
        yield import_module("bots.telegram.account").open_telegram(
            telegram,
            store=house.store,
            inbox=house.inbox,
            feedback=house.feedback,
            metrics=house.metrics,
        )
    for slack in house.settings.slack:
        yield import_module("bots.slack.account").open_slack(
            slack,
            store=house.store,
            inbox=house.inbox,
            feedback=house.feedback,
            personas=house.personas,
            metrics=house.metrics,
            state=house.health.report,
        )
    for wecom in house.settings.wecom:
        yield from import_module("bots.wecom.parts").open_wecom(
            wecom,
            store=house.store,
            inbox=house.inbox,
            feedback=house.feedback,
            personas=house.personas,
            memory=house.memory,
            metrics=house.metrics,
        )

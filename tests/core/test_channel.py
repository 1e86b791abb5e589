"""Who answers where."""

import pytest

from core.channel import Channels
from core.messages import Address


def test_a_part_of_an_account_is_answered_by_the_accounts_channel():
    channels, main = Channels(), object()
    channels.add(main, "wecom-kf", "main")
    assert channels.of(Address("wecom-kf", "main/wkAAA", "c", "u")) is main
    with pytest.raises(LookupError, match="other/wkAAA"):
        channels.of(Address("wecom-kf", "other/wkAAA", "c", "u"))

from __future__ import annotations

import asyncio

import pytest
from reconciliation.web.sync_registry import TTLCache


class Source:
    def __init__(self):
        self.asked = 0
        self.broken = False
        self.now = 0.0

    async def look_up(self):
        self.asked += 1
        await asyncio.sleep(0)
        if self.broken:
            raise ConnectionError
        return self.asked

    def remembered(self):
        return TTLCache(self.look_up, 10, lambda: self.now)


def test_a_young_value_is_not_looked_up_again():
    async def scenario():
        source = Source()
        kept = source.remembered()
        assert await kept.get() == 1
        source.now = 9.9
        assert await kept.get() == 1
        assert await kept.get(max_age=5) == 2
        source.now = 30
        assert await kept.get() == 3

    asyncio.run(scenario())


def test_many_callers_share_one_look_up():
    async def scenario():
        source = Source()
        kept = source.remembered()
        assert await asyncio.gather(*(kept.get() for _ in range(20))) == [1] * 20
        source.now = 20
        found = await asyncio.gather(*(kept.get() for _ in range(20)))
        # Who comes while it is looked up gets the last value instead of waiting.
        assert set(found) == {1, 2}
        assert source.asked == 2

    asyncio.run(scenario())


def test_the_last_value_serves_while_it_cannot_be_looked_up():
    async def scenario():
        source = Source()
        kept = source.remembered()
        source.broken = True
        with pytest.raises(ConnectionError):
            await kept.get()
        source.broken = False
        assert await kept.get() == 2
        source.broken, source.now = True, 20
        assert await kept.get() == 2

    asyncio.run(scenario())

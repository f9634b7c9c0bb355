"""That retrieval is worth it: how much of what later questions need is in what is sent."""

from __future__ import annotations

from tests.recall.asking import headers_of, share_held
from tests.recall.parts import put
from tests.recall.planted import FACTS, conversation
from tui_chat.memory.full import FullHistory
from tui_chat.memory.retrieval import Retrieval
from tui_chat.memory.window import RollingWindow
from tui_chat.recall import BranchIndex


async def test_retrieval_holds_most_facts_where_the_window_holds_hardly_one() -> None:
    passages = conversation()
    index = BranchIndex()
    await put(index, passages)

    window = await share_held(RollingWindow(), passages, index, 4096)
    retrieval = await share_held(Retrieval(), passages, index, 4096)
    everything = await share_held(FullHistory(), passages, index, sum(each.tokens + 4 for each in passages))
    await index.close()

    assert 1.0 == everything
    assert window < 0.1
    assert retrieval > 0.75


def test_every_fact_is_told_once() -> None:
    texts = [each.text for each in conversation()]

    assert [1] * len(FACTS) == [sum(fact.told in text for text in texts) for fact in FACTS]
    assert [1] * len(FACTS) == [sum(fact.key in text for text in texts) for fact in FACTS]
    assert 600 == len(headers_of(conversation()))

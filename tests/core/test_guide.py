"""The guide as it ships."""

from tui_chat.core.guide import ORDER, flowing, topics


def test_every_topic_is_there_in_reading_order() -> None:
    assert ORDER == tuple(topics())
    assert all(text.startswith("# ") for text in topics().values())


def test_paragraphs_and_items_flow_while_blocks_stay_apart() -> None:
    wrapped = "# Title\n\nOne\ntwo.\n\n- item\n  goes on\n- next\n\n| a |\n|---|\n| b |\n\n```sh\nx\ny\n```\nend\n"

    flows = "# Title\n\nOne two.\n\n- item goes on\n- next\n\n| a |\n|---|\n| b |\n\n```sh\nx\ny\n```\nend\n"
    assert flows == flowing(wrapped)


def test_no_word_of_the_guide_is_lost_by_flowing() -> None:
    for text in topics().values():
        assert text.split() == flowing(text).split()

"""A conversation of some hundred turns in which facts are told once, and questions that need them much later.

It writes itself, the same each time. Facts are told in passing, by the user or deep in an answer; their
questions share few words with them, and the talk around has many of both.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from tui_chat.core.models import Role
from tui_chat.core.ports import Passage
from tui_chat.core.tokens import measure

BEGAN = 1_767_600_000_000
"""5 January 2026, 08:00 UTC."""


class Fact(NamedTuple):
    """What is told once, by whom, and the question; ``key`` is what an answer to it must see."""

    subject: str
    role: Role
    told: str
    question: str
    key: str


def _facts() -> tuple[Fact, ...]:
    lines = Path(__file__).with_name("facts.txt").read_text().splitlines()
    return tuple(
        Fact(subject, Role(role), told, question, key)
        for subject, role, told, question, key in (line.split(" | ") for line in lines)
    )


FACTS = _facts()

_WORDS = {
    "pets": "dog Luna puppy vet walk leash bark fur treat bowl collar kennel park training food cat paw tail basket"
    " muzzle flea brush tick cage toy",
    "travel": "trip hotel train flight Porto airport ferry passport museum city ticket luggage coast map tram booking"
    " visa bridge guide tower lighthouse hostel bus beach street",
    "work": "server service report query test branch release index port deploy meeting deadline worker retry log team"
    " backup patch office budget ticket cluster script review alert",
    "home": "boiler kitchen paint wall key drill heating floor roof window plumber brick hall lamp shelf winter door"
    " sink carpet hinge ladder cellar gutter valve fuse",
    "health": "doctor knee sleep tablet dentist blood stretch allergy appointment iron vitamin pain exercise flu back"
    " fever cough lens clinic diet pulse shoulder skin rest tea",
    "money": "rent salary insurance tax mortgage loan saving account policy form income budget fee share interest bank"
    " invoice pension receipt debt fund price cash stock deposit",
    "music": "cello quartet bow string bridge tone rehearsal score scale concert tempo practice note tuning hall ear"
    " flute choir stage chord sonata record stand melody rosin",
    "garden": "soil tomato apple tree bed snail compost seed frost rain hedge plant root leaf summer pruning lawn rose"
    " bulb fence spade herb pond weed shade",
    "cooking": "dough oven pot sauce salt saffron onion pan lemon recipe bread goulash spoon flour heat taste butter"
    " pepper soup garlic rice knife lid basil stew",
    "sport": "run bicycle marathon pace interval training shoe rest muscle race hill frame station time week lap coach"
    " swim relay gym sprint tyre helmet finish medal",
    "books": "novel chapter author club reading shelf story page poem library Ulysses plot style translation June essay"
    " drama letter cover editor sequel diary myth hero verse",
}
_OPENINGS = ("Usually", "In most cases", "As a rule", "With some care", "At first", "Later on", "Some days", "Often")
_VERBS = ("helps with", "depends on", "comes before", "changes", "needs", "is easier than", "says little of", "follows")
_TAILS = ("if there is time", "but not always", "for a while", "as far as I know", "in the end", "and that is fine")
_ASKS = ("What do you think about the {0} and the {1}?", "How does the {0} go with the {1}?", "Any advice on the {0}?")


def conversation(turns: int = 300, seed: int = 1) -> list[Passage]:
    """Prompts and answers in sittings of some turns, two days apart; each fact is told once, none in the last tenth."""
    choose = random.Random(seed)
    told = choose.sample(range(turns * 9 // 10), len(FACTS))
    facts = dict(zip(told, choose.sample(FACTS, len(FACTS)), strict=True))
    at, passages = BEGAN, list[Passage]()
    for turn in range(turns):
        fact = facts.get(turn)
        subject = fact.subject if fact else choose.choice(sorted(_WORDS))
        for role, text in zip((Role.USER, Role.ASSISTANT), _turn(choose, subject, fact), strict=True):
            passages.append(_passage(len(passages), role, at, text))
            at += 60_000
        if turn % 8 == 7:
            at += 48 * 3_600_000
    return passages


def long_conversation(messages: int, seed: int = 1) -> list[Passage]:
    """As long as one wishes, answers as models write them, in a vocabulary as large as a language's."""
    choose = random.Random(seed)
    syllables = [a + b for a in "bdfghklmnprstvz" for b in ("a", "e", "i", "o", "u", "er", "an", "ol")]
    words = list(dict.fromkeys("".join(choose.choices(syllables, k=choose.randint(1, 4))) for _ in range(40_000)))
    weights = list(accumulate(1 / (rank + 2) for rank in range(len(words))))
    passages = []
    for number in range(messages):
        length = choose.randint(10, 50) if number % 2 == 0 else choose.choice([60, 150, 300, 500])
        text = " ".join(choose.choices(words, cum_weights=weights, k=length))
        role = Role.ASSISTANT if number % 2 else Role.USER
        passages.append(_passage(number, role, BEGAN + number * 60_000, text))
    return passages


def _turn(choose: random.Random, subject: str, fact: Fact | None) -> Iterator[str]:
    words = choose.sample(_WORDS[subject].split(), 5)
    ask = choose.choice(_ASKS).format(*choose.sample(words, 2))
    yield f"{fact.told} {ask}" if fact and fact.role is Role.USER else ask
    sentences = [_sentence(choose, words) for _ in range(choose.randint(4, 24))]
    if fact and fact.role is Role.ASSISTANT:
        sentences.insert(choose.randrange(len(sentences)), fact.told)
    yield "\n\n".join(" ".join(sentences[start : start + 5]) for start in range(0, len(sentences), 5))


def _sentence(choose: random.Random, words: list[str]) -> str:
    first, second = choose.sample(words, 2)
    return f"{choose.choice(_OPENINGS)} the {first} {choose.choice(_VERBS)} the {second} {choose.choice(_TAILS)}."


def _passage(number: int, role: Role, at: int, text: str) -> Passage:
    return Passage(f"m{number}", role, at, measure(text).tokens, len(text.splitlines()), text)

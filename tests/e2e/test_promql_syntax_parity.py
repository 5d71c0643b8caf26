"""What is an expression is decided as promtool decides it: every expression of the corpora, and thousands of broken ones."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.install.recipes import prometheus3_binary
from rules.promql.syntax.errors import PromQLError, PromQLSyntaxError, UnsupportedFeature
from rules.promql.syntax.lexer import tokenize
from rules.promql.syntax.parser import parse
from tests.rules.promql.expressions import corpus

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

BROKEN = 3000
FILES_AT_ONCE = 1500
SPICE = (
    "offset·@·[5m]·[5m:1m]·[1h:]·-·+·^·bool·on(a)·ignoring(a)·group_left(b)·by(a)·without(b)·(·)·{·}·[·]·:·,·start()·step()·range·1_000·0x1f"
    '·010·5.·Inf·30m1h·1.5h·\'s\'·`r`·{a=""}·{a=~".*"}·{"q"}·anchored·fill(0)·fill·and·atan2·==·=·=~·</·limitk·count_values·topk(·sum('
    '·rate(·a:b·max_of(1,2)·(5m)·-5m·0s·&·!·"\\x41"·"\\q"·[5m + 1m]·offset 0·@ 0·# c\n'
)


def broken(texts: Sequence[str], count: int) -> list[str]:
    """Expressions with tokens removed, doubled, swapped and replaced."""
    choice = random.Random(20)
    words = [tokens for tokens in map(split, texts) if 1 < len(tokens) < 60]
    return [" ".join(mutated(choice, list(choice.choice(words)))) for _ in range(count)]


def split(text: str) -> list[str]:
    try:
        return [token.text for token in tokenize(text)][:-1]
    except PromQLError:
        return re.findall(r"\w+|\S", text)


def mutated(choice: random.Random, tokens: list[str]) -> list[str]:
    for _ in range(choice.randint(1, 3)):
        place = choice.randrange(len(tokens))
        match choice.randrange(5):
            case 0 if len(tokens) > 1:
                del tokens[place]
            case 1:
                tokens.insert(place, tokens[place])
            case 2:
                tokens[place], tokens[place - 1] = tokens[place - 1], tokens[place]
            case 3:
                tokens.insert(place, choice.choice(SPICE.split("·")))
            case _:
                tokens[place] = choice.choice(SPICE.split("·"))
    return tokens


def promtool(texts: Sequence[str], folder: Path) -> list[bool]:
    """Whether promtool takes each expression; a file each, for it stops at the first fault of one."""
    taken: set[int] = set()
    for first in range(0, len(texts), FILES_AT_ONCE):
        paths = []
        for number, text in enumerate(texts[first : first + FILES_AT_ONCE], first):
            paths.append(folder / f"{number}.yml")
            rule = {"record": "r", "expr": text}
            paths[-1].write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}))
        done = subprocess.run(
            [prometheus3_binary("promtool"), "check", "rules", "--lint=none", *paths],
            capture_output=True,
            text=True,
            check=False,
        )
        taken.update(map(int, re.findall(r"^Checking .*/(\d+)\.yml\n\s+SUCCESS", done.stdout, re.MULTILINE)))
    return [number in taken for number in range(len(texts))]


def ours(text: str) -> bool:
    try:
        parse(text)
    except UnsupportedFeature as error:
        # These two promtool takes.
        return "promql-duration-expr" in error.hint or "native histograms" in error.message
    except PromQLSyntaxError:
        return False
    return True


def test_promtool_takes_and_refuses_the_same(tmp_path: Path) -> None:
    texts = [*corpus(), *broken(corpus(), BROKEN)]
    verdicts = promtool(texts, tmp_path)
    assert [text for text, taken in zip(texts, verdicts, strict=True) if ours(text) is not taken] == []
    assert 2000 < sum(verdicts) < len(texts) - BROKEN / 2

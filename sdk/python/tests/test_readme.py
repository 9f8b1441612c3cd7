"""The examples of the READMEs, in their order, against the live server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Live

HERE = Path(__file__).parent.parent
# Of this package, and of the project.
TEXT = (HERE / "README.md").read_text() + (HERE.parent.parent / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 3


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_works(number: int, live: Live) -> None:
    text = EXAMPLES[number].replace("http://127.0.0.1:3001", live.url).replace("sk_your_api_key", live.key)
    exec(compile(text, f"example {number + 1} of README.md", "exec"), {"__name__": "__main__"})

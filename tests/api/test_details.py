"""Every sentence with which something is refused exists in English and in Chinese."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.details import in_chinese
from api.errors import Problem
from api.messages import CATALOGUE, ENGINE_DETAILS

ROOT = Path(__file__).parent.parent.parent
SOURCES = [
    path
    for folder in ("api", "settlement")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "client" not in path.parts  # what the client program says to its own programmer
]
# Made of another library's words, which are English: the field's name and the code's sentence
# stand beside them in Chinese.
FROM_ELSEWHERE = {"{}", "{}."}


def sentences(tree: ast.Module) -> Iterator[str]:
    """The details of all refusals without a Chinese sentence of their own; {} is what varies."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        assigned = {
            node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            and [ast.unparse(target) for target in node.targets] == ["detail"]
        }
        for call in ast.walk(function):
            if not isinstance(call, ast.Call) or any(k.arg == "detail_zh" for k in call.keywords):
                continue
            if ast.unparse(call.func) not in ("Problem", "Refused", "_refuse_body"):
                continue
            for given in call.args[1:2]:
                for node in assigned if isinstance(given, ast.Name) else {given}:
                    yield from texts(node)


def texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            parts = [part.value if isinstance(part, ast.Constant) else "{}" for part in node.values]
            yield "".join(map(str, parts))
        case ast.Subscript():
            yield from texts(node.value)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_refusal_is_said_in_chinese(path: Path) -> None:
    """A new sentence wants its Chinese in api/details.py, or detail_zh where it is raised."""
    found = set(sentences(ast.parse(path.read_text("utf-8")))) - FROM_ELSEWHERE
    assert sorted(text for text in found if in_chinese(text.replace("{}", "7")) is None) == []


def test_the_sentences_are_found() -> None:
    """The walk over the sources sees them at all."""
    found = {text for path in SOURCES for text in sentences(ast.parse(path.read_text("utf-8")))}
    assert len(found) > 130
    assert {"Log in first.", "A body has at most {} bytes."} <= found


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("No more than 10 in 60 s (logins).", "60 秒内最多 10 次（logins）。"),
        ("Object missing required field `side`.", "缺少必填字段 side。"),
        ("Expected `str`, got `int`.", "类型应为 str，收到 int。"),
        (
            "'1e3' is not a plain decimal of at most 18 digits.",
            "'1e3' 不是最多 18 位的普通十进制数。",
        ),
        ("What nobody has said before.", None),
    ],
)
def test_what_varies_stands_in_both(english: str, chinese: str | None) -> None:
    """Numbers and names are carried over."""
    assert in_chinese(english) == chinese


def test_a_problem_speaks_the_readers_language() -> None:
    """The specific sentence where there is one, else the code's; the field's name before it."""
    problem = Problem("invalid_request", "A limit order needs a price.", field="price")
    assert problem.members("zh")["detail"] == "price：限价委托须填写价格。"
    assert problem.members("en")["detail"] == "A limit order needs a price."
    assert Problem("conflict").members("zh")["detail"] == CATALOGUE["conflict"].detail_zh
    assert all(zh and zh != en for en, zh in ENGINE_DETAILS.values())

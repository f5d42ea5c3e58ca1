"""Text to tokens, by one compiled expression.

A field with its entity (`metrics.val/loss`, ``tags.`my tag` ``) is one token: the language has no
arithmetic, so a bare key may hold `. / : - # @ $ [ ]` and needs quotes only for anything else.
A quote inside a quoted text is written twice; nothing else is special there, backslashes included.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search.source import Source


class TokenKind(enum.Enum):
    """What a token is; the order of the first nine is that of the groups in the expression."""

    QUALIFIED = enum.auto()  # entity.key
    NUMBER = enum.auto()
    WORD = enum.auto()
    STRING = enum.auto()  # in single or double quotes
    NAME = enum.auto()  # in backticks
    OPERATOR = enum.auto()
    OPEN = enum.auto()
    CLOSE = enum.auto()
    COMMA = enum.auto()
    KEYWORD = enum.auto()
    END = enum.auto()


class Token(NamedTuple):
    """A token and its place; `text` is as in the source, but keywords are in upper case."""

    kind: TokenKind
    text: str
    start: int
    end: int


KEYWORDS = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "ILIKE", "BETWEEN", "IS", "NULL"})

BARE_KEY = re.compile(r"[\w$#@/:\[\].-]+")
"""A key that needs no quotes."""

# Possessive and atomic groups keep every alternative linear in the text's length. A number may touch the
# AND or OR after it, as in `1e-3AND`, and no other word.
_SINGLE = r"'(?>[^']*(?:''[^']*)*)'"
_DOUBLE = r'"(?>[^"]*(?:""[^"]*)*)"'
_BACKTICK = r"`(?>[^`]*(?:``[^`]*)*)`"
_TOKEN = re.compile(
    rf"""
      \s+
    | ((?: [^\W\d]\w*+ | `\w++` ) \. (?: {_BACKTICK} | {_DOUBLE} | {_SINGLE} | {BARE_KEY.pattern} ))
    | ([+-]?+ (?: (?: [0-9]++ (?: \.[0-9]*+ )?+ | \.[0-9]++ ) (?: [eE][+-]?+[0-9]++ )?+
                | (?ai: inf(?:inity)?+ | nan ) ) (?! (?! (?ai:AND|OR)\b ) [\w.] ) )
    | ([^\W\d]\w*+)
    | ({_SINGLE} | {_DOUBLE})
    | ({_BACKTICK})
    | ([<>=!~]++)
    | (\()
    | (\))
    | (,)
    | (?P<bad> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS: tuple[TokenKind, ...] = (TokenKind.END, *TokenKind)  # group 0 is the whole match
_BAD = _TOKEN.groupindex["bad"]
_NUMBER_LIKE = re.compile(r"[+-]?[\w.]*[0-9][\w.]*")
_QUOTES = ("'", '"', "`")
_HINTS = {
    "&": "Did you mean AND?",
    "|": "Did you mean OR?",
    ";": "Conditions are joined by AND or OR.",
    "-": "A sign stands right before its number.",
    "+": "A sign stands right before its number.",
}


def tokenize(source: Source) -> list[Token]:
    """The tokens of a text, the last of which is END.

    Raises:
        InvalidArgument: a character that begins no token, or a quote that isn't closed.
    """
    tokens: list[Token] = []
    append = tokens.append
    for match in _TOKEN.finditer(source.text):
        group = match.lastindex
        if group is None:
            continue
        if group == _BAD:
            raise _stray(source, match.start())
        kind = _KINDS[group]
        text = match.group()
        if kind is TokenKind.WORD and (upper := text.upper()) in KEYWORDS:
            kind, text = TokenKind.KEYWORD, upper
        append(Token(kind, text, match.start(), match.end()))
    length = len(source.text)
    append(Token(TokenKind.END, "", length, length))
    return tokens


def unquote(text: str) -> str:
    """The content of a text in quotes of any kind."""
    mark = text[0]
    inner = text[1:-1]
    return inner.replace(mark + mark, mark) if mark in inner else inner


def _stray(source: Source, at: int) -> InvalidArgument:
    text = source.text
    char = text[at]
    if char == "." and at > 0 and (text[at - 1].isalnum() or text[at - 1] in "_`"):
        at += 1
        char = text[at : at + 1]
        if char not in _QUOTES:
            what = "expected a key right after the dot; one with special characters goes in backticks."
            return source.error(what, at, at + 1)
    if char in _QUOTES:
        what = f"this {char} is never closed. To have it inside a quoted text, write it twice;"
        return source.error(f"{what} a backslash doesn't escape it.", at, at + 1)
    if number := _NUMBER_LIKE.match(text, at):
        what = f"{source.quote(at, number.end())} is not a number, which looks like 5, -0.25 or 1e-3."
        return source.error(f"{what} A name that begins so goes in backticks.", at, number.end())
    hint = _HINTS.get(char, "A name that holds it goes in backticks.")
    return source.error(f"unexpected character {source.quote(at, at + 1)}. {hint}", at, at + 1)

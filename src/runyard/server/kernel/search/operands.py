"""Tokens to fields and constants, checked against a schema."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search.canonical import field_text
from runyard.server.kernel.search.lexer import Token, TokenKind, unquote
from runyard.server.kernel.search.schema import ENTITY_WORDS, Kind, Schema, did_you_mean
from runyard.server.kernel.search.source import Source, quoted
from runyard.server.kernel.search.syntax import Entity, Field, MetricFunction, Value

_FUNCTIONS = {function.value: function for function in MetricFunction}
_INT64 = range(-(2**63), 2**63)
_LONGEST_INTEGER = 400  # characters; int() refuses a few thousand
_LONGEST_NAME = 80
_BARE = (TokenKind.WORD, TokenKind.NUMBER, TokenKind.QUALIFIED)
_WRITE = {
    Entity.METRIC: "a metric as metrics.<key>",
    Entity.PARAM: "a param as params.<key>",
    Entity.TAG: "a tag as tags.<key>",
}


class Operand(NamedTuple):
    """A field, the kind of its values, and the index of the token after it."""

    field: Field
    kind: Kind
    next: int


def read_operand(tokens: Sequence[Token], index: int, schema: Schema, source: Source) -> Operand:
    """The field that begins at a token, with or without a function around it.

    Raises:
        InvalidArgument: no field stands there, or the schema has none of that name.
    """
    token = tokens[index]
    if token.kind is TokenKind.WORD and tokens[index + 1].kind is TokenKind.OPEN:
        return _read_call(tokens, index, schema, source)
    field, kind = _resolve(token, schema, source)
    return Operand(field, kind, index + 1)


def resolve_qualified(
    word: str, key: str, token: Token, schema: Schema, source: Source
) -> tuple[Field, Kind]:
    """The field that a word for its entity and a key name; `token` is where they stand.

    Raises:
        InvalidArgument: the word is no entity, or the schema has no such field.
    """
    entity = ENTITY_WORDS.get(word)
    if entity is None:
        legal = ", ".join([e.value for e in Entity if schema.has(e)])
        what = f"{quoted(word)} is not a kind of field: {schema.noun} have {legal}."
        raise source.error(what + schema.suggest_entity(word), token.start, token.start + len(word))
    return resolve_name(entity, key, token, schema, source)


def resolve_name(
    entity: Entity, key: str, token: Token, schema: Schema, source: Source
) -> tuple[Field, Kind]:
    """The field of an entity that a key names; `token` is where it stands.

    Raises:
        InvalidArgument: the schema has no such field.
    """
    if (kind := schema.keyed.get(entity)) is not None:
        if not key:
            raise source.error("a key can't be empty.", token.start, token.end)
        return Field(entity, key, None, token.start, token.end), kind
    if entity not in schema.named:
        legal = ", ".join([e.value for e in Entity if schema.has(e)])
        what = f"{schema.noun} have no {entity.value}; they have {legal}."
        raise source.error(what, token.start, token.end)
    attribute = schema.attribute(entity, key)
    if attribute is None:
        raise _unknown_name(entity, key, token, schema, source)
    return Field(entity, attribute.name, None, token.start, token.end), attribute.kind


def read_value(token: Token, field: Field, kind: Kind, schema: Schema, source: Source) -> Value:
    """The constant that a token stands for, as the kind wants it; NaN only for NUMBER.

    Raises:
        InvalidArgument: the token is no constant of this kind.
    """
    if not kind.is_text:
        return read_number(token, field, kind, source)
    if token.kind is TokenKind.STRING:
        return unquote(token.text)
    if schema.bare_values and token.kind in _BARE:
        return token.text
    raise _unfit(token, field, kind, source)


def read_number(token: Token, field: Field, kind: Kind, source: Source) -> int | float:
    """The number that a token stands for, as a kind that isn't text wants it; NaN only for NUMBER.

    Raises:
        InvalidArgument: the token is no number, or NaN for a kind without it.
    """
    if token.kind is not TokenKind.NUMBER:
        raise _unfit(token, field, kind, source)
    text = token.text
    if kind is not Kind.NUMBER and text.lstrip("+-").isdigit() and len(text) <= _LONGEST_INTEGER:
        whole = int(text)
        if whole in _INT64:
            return whole
    number = float(text)
    if math.isnan(number) and kind is not Kind.NUMBER:
        raise _unfit(token, field, kind, source)
    return number


def shown(field: Field) -> str:
    """A field as a message shows it: cut when long."""
    text = field_text(field)
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _read_call(tokens: Sequence[Token], index: int, schema: Schema, source: Source) -> Operand:
    name, argument = tokens[index], tokens[index + 2]
    function = _FUNCTIONS.get(name.text.lower())
    if function is None or function not in schema.functions:
        legal = sorted(f.value for f in schema.functions)
        listed = f" The functions are {', '.join(legal)}." if legal else f" {schema.noun} have no functions."
        near = did_you_mean(name.text, legal)
        what = f"{source.quote(name.start, name.end)} is not a function here.{near}{listed}"
        raise source.error(what, name.start, name.end)
    field, kind = _resolve(argument, schema, source)
    if field.entity is not Entity.METRIC:
        raise source.error(
            f"{function.value}() takes a metric, such as {function.value}(metrics.acc);"
            f" {shown(field)} is none.",
            argument.start,
            argument.end,
        )
    close = tokens[index + 3]
    if close.kind is not TokenKind.CLOSE:
        found = source.quote(close.start, close.end)
        raise source.error(f"expected `)` after {shown(field)}, found {found}.", close.start, close.end)
    called = Field(field.entity, field.key, function, name.start, close.end)
    return Operand(called, Kind.INTEGER if function is MetricFunction.COUNT else kind, index + 4)


def _resolve(token: Token, schema: Schema, source: Source) -> tuple[Field, Kind]:
    if token.kind is TokenKind.QUALIFIED:
        word, _, key = token.text.partition(".")
        if key[0] in ("`", '"', "'"):
            key = unquote(key)
        return resolve_qualified(word.strip("`"), key, token, schema, source)
    if token.kind is TokenKind.WORD:
        return resolve_name(Entity.ATTRIBUTE, token.text, token, schema, source)
    # Before an operator a text in double quotes is a name, as in SQL.
    if token.kind is TokenKind.NAME or (token.kind is TokenKind.STRING and token.text[0] == '"'):
        name = unquote(token.text)
        word, dot, key = name.partition(".")
        if dot and word in ENTITY_WORDS and schema.attribute(Entity.ATTRIBUTE, name) is None:
            return resolve_qualified(word, key, token, schema, source)
        return resolve_name(Entity.ATTRIBUTE, name, token, schema, source)
    found = source.quote(token.start, token.end)
    what = f"expected a field, such as {_examples(schema)}; found {found}."
    if token.kind is TokenKind.STRING:
        what += " A name is quoted with backticks or double quotes."
    elif token.kind is TokenKind.KEYWORD:
        what += f" If {found} is a name, put it in backticks."
    raise source.error(what, token.start, token.end)


def _unknown_name(entity: Entity, key: str, token: Token, schema: Schema, source: Source) -> InvalidArgument:
    what = (
        f"{schema.noun} have no {entity.value.removesuffix('s')} {quoted(key)}."
        f"{schema.suggest_name(entity, key)} The {entity.value} are {', '.join(schema.names(entity))}."
    )
    ways = [text for keyed, text in _WRITE.items() if keyed in schema.keyed]
    if entity is Entity.ATTRIBUTE and ways:
        what += f" Write {', '.join(ways)}."
    return source.error(what, token.start, token.end)


def _examples(schema: Schema) -> str:
    if Entity.METRIC in schema.keyed:
        return "metrics.acc"
    return schema.names(Entity.ATTRIBUTE)[0]


def _unfit(token: Token, field: Field, kind: Kind, source: Source) -> InvalidArgument:
    found = source.quote(token.start, token.end)
    what = f"{shown(field)} is {kind.value}: expected"
    if kind.is_text:
        what += f" a text in quotes, found {found}."
        if token.kind in (TokenKind.WORD, TokenKind.NUMBER) and len(token.text) <= 40:
            what += f" Write '{token.text}'."
    else:
        what += f" a number, found {found}."
        if token.kind is TokenKind.STRING:
            what += " Write it without quotes."
    if token.kind is TokenKind.QUALIFIED:
        what += " A field is compared with a constant, not with another field."
    return source.error(what, token.start, token.end)

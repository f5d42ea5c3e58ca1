"""The one MetaData that every slice's tables belong to."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# A 64-bit surrogate key; SQLite gives rowid tables only to a column of type INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")

# A text that is compared and ordered by its bytes in both databases, whatever the locale of PostgreSQL's.
PlainText = Text().with_variant(Text(collation="C"), "postgresql")

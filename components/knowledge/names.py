"""Names: how people read them, and by what they are compared."""

import polars as pl

HIDDEN = "[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"  # soft hyphens, joiners and marks of direction

UNNAMED = r"^unnamed .+ \(.+\)$"


def spelled(name: pl.Expr) -> pl.Expr:
    """A name to be read: in Unicode's composed form (NFC), without invisible characters, blanks or controls at its ends or in a row."""
    return name.str.normalize("NFC").str.replace_all(HIDDEN, "").str.replace_all(r"[\s\p{Cc}]+", " ").str.strip_chars()


def compared(name: pl.Expr) -> pl.Expr:
    """A spelled name to be compared: compatible form (NFKC), case folded, so that İ and ß meet what they are written for."""
    folded = name.str.normalize("NFKC").str.to_uppercase().str.to_lowercase().str.normalize("NFKC")
    return folded.str.replace_all(r"\s+", " ").str.strip_chars()


def called(name: pl.Expr) -> pl.Expr:
    """A title to be compared: as `compared`, with an article that stands behind a comma put in front."""
    return compared(name).str.replace(r"^(.+), (the|a|an|le|la|les|der|die|das|el|il|lo)$", "$2 $1")


def unnamed(kind: pl.Expr, identifier: pl.Expr) -> pl.Expr:
    """What to read for an entity of which only the id is known."""
    return pl.format("unnamed {} ({})", kind, identifier)


def readable(name: pl.Expr) -> pl.Expr:
    """Whether a node's name says more to people than an id."""
    return ~name.str.contains(UNNAMED)

"""Recommendations to all users of a bundle, for mailings and for stores that are read by other systems."""

from pathlib import Path

from components import artifacts
from components.errors import DataError
from components.progress import track
from components.recommend import Recommender

BLOCK = 1024  # users answered at a time: what is held at once, whatever their number


def write(known: Recommender, out: Path, k: int = 10) -> int:
    """Write user_id, item_id, rank and score of every known user, as `Recommender.recommend` answers; give the rows.

    The file's metadata names the bundle. Raises RequestError for a k out of its bounds, DataError where the file can't be written.
    """
    users = list(known.users)
    blocks = [users[start : start + BLOCK] for start in range(0, len(users), BLOCK)] or [[]]
    found = (known.batch(block, k) for block in track(blocks, "recommending"))
    try:
        return artifacts.write_tables(out, found, {"bundle": known.bundle})
    except OSError as error:
        raise DataError(f"{out}: can't be written ({error.strerror}); choose another place with --out") from None

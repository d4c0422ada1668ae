"""What evaluation, the command line and serving all call: one Recommender over one bundle."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.recommend.recommender import Recommender

__all__ = ["Recommender"]


def __getattr__(name: str) -> Any:
    """Load the Recommender when it is asked for: who only reads settings or messages waits for no models."""
    if name != "Recommender":
        raise AttributeError(name)
    from components.recommend.recommender import Recommender

    return Recommender

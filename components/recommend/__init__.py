"""What evaluation, the command line and serving all call: one Recommender over one bundle."""

from components.recommend.recommender import Recommender
from components.recommend.wish import Wish

__all__ = ["Recommender", "Wish"]

"""What evaluation, the command line and serving all call: one Recommender over one bundle."""

from components.recommend.recommender import Recommender

__all__ = ["Recommender"]

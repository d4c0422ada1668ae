"""The recommender over HTTP: a BentoML service, its messages and its guard."""

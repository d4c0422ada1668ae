"""Evidence for a recommendation: what the history's attention fell on, the paths in the graph, and a sentence."""

from components.schema import Attention, Path

PHRASES = {
    "has genre": "also {tail}",
    "directed by": "also directed by {tail}",
    "stars": "also with {tail}",
    "released in": "also from the {tail}",
    "made by": "also made by {tail}",
    "tagged": "also tagged {tail}",
}


def reason(paths: list[Path], attention: list[Attention]) -> str:
    """Say why in one sentence, from the strongest path, else from the strongest attention, else from popularity.

    Every name in the sentence is the title of an item of the history or an entity at the end of an edge shown.
    """
    if paths:
        best = paths[0]
        last = best.edges[-1]
        phrase = PHRASES.get(last.relation, "also {relation} {tail}").format(relation=last.relation, tail=last.tail)
        return f"because of {best.source} in your history: {phrase}"
    if attention:
        return f"because of {attention[0].title} in your history"
    return "popular with everyone lately"

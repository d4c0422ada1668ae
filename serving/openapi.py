"""The document of the interface, from the same table that the guard goes by."""

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from serving.messages import Problem
from serving.routes import Route

REFERENCE = "#/components/schemas/{model}"
PROBLEMS = {
    400: "a field is wrong, or the body is no JSON",
    401: "no key, or none that is known",
    403: "the key lacks the scope",
    404: "there is no such thing",
    405: "the path takes another method",
    408: "the body came too slowly",
    413: "the body is too large",
    415: "the body is not application/json",
    429: "too many requests with this key",
    503: "too much at once, or the event log is gone: try again",
}


def document(routes: Mapping[str, Route], version: str, *, keys: bool) -> dict[str, Any]:
    """Give the OpenAPI 3.1 document of what `routes` answers, with `keys` if each needs a key."""
    told = {path: route for path, route in routes.items() if route.answers}
    asked = [(route.asks, "validation") for route in told.values() if route.asks]
    answered = [(answer, "serialization") for route in told.values() if (answer := route.answers)]
    names, schemas = models_json_schema([*asked, *answered, (Problem, "serialization")], ref_template=REFERENCE)  # pyright: ignore[reportArgumentType]
    references: dict[Any, Any] = dict(names)
    problem = _json(references[Problem, "serialization"])

    def operation(path: str, route: Route) -> dict[str, Any]:
        said: dict[str, Any] = {"operationId": path.strip("/").replace("/", "_"), "summary": route.about, "x-scope": route.scope}
        if route.asks:
            content = _json(references[route.asks, "validation"])
            content["application/json"]["example"] = route.example
            said["requestBody"] = {"required": True, "content": content}
        good = {"description": "the answer", "content": _json(references[route.answers, "serialization"])}
        bad = {str(status): {"description": about, "content": problem} for status, about in PROBLEMS.items()}
        return {**said, "responses": {"200": good} | bad}

    return {
        "openapi": "3.1.0",
        "info": {"title": "Zhijian", "version": version, "description": "Personalised recommendations and why."},
        "security": [{"key": []}] if keys else [],
        "paths": {path: {route.method.lower(): operation(path, route)} for path, route in told.items()},
        "components": {"schemas": schemas["$defs"], "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": dict(schema)}}

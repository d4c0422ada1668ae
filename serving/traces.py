"""Spans of requests and of their stages, by switch: ZHIJIAN_TRACES=lines says each, once it has ended, as a line of JSON."""

import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING

from components.errors import ConfigError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Span, Tracer

NOTHING = nullcontext[None]()


def span(name: str, headers: Mapping[str, str] | None = None) -> "AbstractContextManager[Span | None]":
    """Measure what happens within; a request's span goes on the trace that its `traceparent` header names. Nothing unless switched on."""
    tracer = _tracer(os.environ.get("ZHIJIAN_TRACES", ""))
    return NOTHING if tracer is None else _span(tracer, name, headers)


@contextmanager
def _span(tracer: "Tracer", name: str, headers: Mapping[str, str] | None) -> "Generator[Span]":
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    context = None if headers is None else TraceContextTextMapPropagator().extract(headers)
    with tracer.start_as_current_span(name, context=context) as opened:
        yield opened


@cache
def _tracer(said: str) -> "Tracer | None":
    if not said:
        return None
    if said != "lines":
        raise ConfigError(f"ZHIJIAN_TRACES: must be `lines` or not set, got {said!r}")
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

    provider = TracerProvider(resource=Resource.create({"service.name": "zhijian"}))
    provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(out=sys.stderr, formatter=_line)))
    return provider.get_tracer("zhijian")


def _line(ended: "ReadableSpan") -> str:
    return json.dumps(json.loads(ended.to_json(indent=None))) + "\n"

"""The document of the interface is true: what it says is what the service does."""

import json
import os
import re
import subprocess
import sys

from serving.openapi import document
from serving.routes import ROUTES

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"
CASES = 100  # of each endpoint


def test_examples_are_valid_and_every_reference_leads_somewhere():
    said = document(ROUTES, "1", keys=True)
    for path, route in ROUTES.items():
        if route.asks:
            route.asks.model_validate_json(json.dumps(route.example))
        if route.asks and route.answers:
            assert said["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"] == route.example
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(said)))
    assert names <= said["components"]["schemas"].keys()
    assert set(said["paths"]) == {path for path, route in ROUTES.items() if route.answers}


def test_the_service_keeps_to_its_document(wild, tmp_path):
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{wild.client.base_url}/docs.json", "--checks", CHECKS]
    options = [
        "--max-examples",
        str(CASES),
        "--generation-deterministic",
        "--phases",
        "examples,coverage,fuzzing",
    ]
    settings = os.environ | {"NO_COLOR": "1", "SCHEMATHESIS_HOOKS": ""}
    ended = subprocess.run([*command, *options], cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=900, check=False)
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
    assert wild.client.get("/readyz").status_code == 200

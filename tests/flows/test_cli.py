import json
import socket
import time

import yaml

CONF = "seed: 1\n"


def test_help_is_quick_and_names_every_verb(project):
    began = time.perf_counter()
    found = project.run("--help", COLUMNS="80")
    assert time.perf_counter() - began < 5
    for name in ("doctor", "retrain", "search", "recommend", "similar", "find", "explain", "serve", "report", "schedule"):
        assert name in found.stdout


def test_outside_a_project_it_says_so(project):
    (project.root / "dvc.yaml").unlink()
    found = project.run("report")
    assert found.returncode == 2
    assert "no dvc.yaml here or in a folder above" in found.stderr


def test_report_works_from_a_folder_below(project):
    project.write("reports/gate.json", json.dumps({"passed": True, "criteria": []}))
    project.write("reports/report.html", "<html>\n<h2>Data</h2>")
    project.write("some/where/file", "")
    found = project.run("report", folder="some/where")
    assert found.returncode == 0, found.stderr
    assert "0.1500 [0.1400, 0.1600]" in found.stdout
    assert "reports/run.html" in found.stdout


def test_report_without_a_verdict_names_the_file(project):
    found = project.run("report")
    assert (found.returncode, found.stderr.count("\n")) == (1, 1)
    assert found.stderr.startswith("reports/gate.json: no such file")


def test_an_unknown_override_is_named_and_not_recorded(project):
    project.write("conf/config.yaml", CONF)
    project.write("conf/overrides.yaml", "[]\n")
    found = project.run("retrain", "nosuch.key=3")
    assert found.returncode == 2
    assert "nosuch" in found.stderr
    assert "Traceback" not in found.stderr
    assert yaml.safe_load((project.root / "conf/overrides.yaml").read_text()) == []


def test_a_malformed_search_is_refused(project):
    found = project.run("search", "ranker.parts.item.l2")
    assert found.returncode == 2
    assert found.stderr.startswith("'ranker.parts.item.l2': no range; write KEY=LOW..HIGH")


def test_wrong_usage_is_status_2(project):
    assert project.run("search").returncode == 2
    assert project.run("search", "ranker.x=1..2", "--trials", "0").returncode == 2
    assert project.run("retrain", "--timeout", "never").returncode == 2
    assert project.run("schedule", "--cron", "* * * * *", "--interval", "5").returncode == 2


def test_without_a_bundle_it_says_how_to_build_one(project):
    project.write("below/file", "")
    found = project.run("recommend", "--user", "u1", folder="below")
    assert found.returncode == 1
    assert found.stderr == "artifacts/bundle: no manifest.json, so no bundle; build one with `zhijian retrain`\n"


def test_a_given_bundle_is_looked_for_where_the_person_stands(project):
    project.write("below/file", "")
    found = project.run("serve", "--bundle", "mine", "--port", "0", folder="below")
    assert found.returncode == 1
    assert f"{project.root}/below/mine: no manifest.json" in found.stderr


def test_serve_without_a_bento_says_so(project):
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        port = str(probe.getsockname()[1])
        taken = project.run("serve", "--port", port)
    found = project.run("serve", "--port", port)
    assert (taken.returncode, found.returncode) == (2, 1)
    assert f"--port {port}: in use" in taken.stderr
    assert found.stderr.startswith("artifacts/package/bento: no Bento here")


def test_doctor_lists_what_is_wrong_and_fails(project):
    (project.root / ".dvc").rename(project.root / "gone")
    found = project.run("doctor", "--port", "0", COLUMNS="80")
    assert found.returncode == 1
    assert "dvc init" in found.stdout
    assert max(map(len, found.stdout.splitlines())) <= 80

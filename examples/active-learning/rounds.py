"""Rounds of active learning, each a DvreWorkflow that is fed with the one before.

The data are in a ConfigMap, models pass from round to round through a claim, and this script
answers as a human would: it is told which samples to label, and gives the next round their labels.
"""

import argparse
import base64
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from dvre_learn import data

import curve

TEMPLATE = Path(__file__).parents[2] / "templates/train_query/train_query.cwl"
LABEL = "app.kubernetes.io/part-of=active-learning-example"
TIMEOUT = "15m"
DATA = ("labeled_data", "labeled_labels", "unlabeled_data", "test_data", "test_labels")

Json = dict[str, Any]


class Cluster:
    """A namespace, by way of kubectl."""

    def __init__(self, namespace: str) -> None:
        """Make it, unless it is there."""
        self._namespace = namespace
        if self._kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "name") == "":
            self._kubectl("create", "namespace", namespace)

    def _kubectl(self, *arguments: str, given: str | None = None) -> str:
        command = ["kubectl", "-n", self._namespace, *arguments]
        done = subprocess.run(command, input=given, text=True, capture_output=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def clear(self) -> None:
        """Remove what an earlier call has left."""
        for kind in ("dvreworkflows", "configmaps", "persistentvolumeclaims"):
            self._kubectl("delete", kind, "-l", LABEL, "--wait", f"--timeout={TIMEOUT}")

    def create(self, kind: str, name: str, fields: Json, version: str = "v1") -> None:
        """Create an object."""
        key, value = LABEL.split("=")
        metadata = {"name": name, "labels": {key: value}}
        manifest = {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}
        self._kubectl("create", "-f", "-", given=json.dumps(manifest))

    def run(self, name: str, spec: Json) -> Json:
        """Create a workflow, wait for its end, and return the texts of its outputs."""
        self.create("DvreWorkflow", name, {"spec": spec}, "dvre.io/v1alpha1")
        ended = "--for=jsonpath={.status.completionTime}"
        self._kubectl("wait", f"dvreworkflow/{name}", ended, f"--timeout={TIMEOUT}")
        status = json.loads(self._kubectl("get", "dvreworkflow", name, "-o", "json"))["status"]
        if status["phase"] != "Succeeded":
            sys.exit(f"{name}: {status['reason']}: {status['message']}")
        return {key: value.get("contents") for key, value in status["outputs"].items()}


def npy(values: np.ndarray) -> str:
    """Return an array as a ConfigMap has it."""
    file = io.BytesIO()
    np.save(file, values)
    return base64.b64encode(file.getvalue()).decode()


def literal(name: str, document: object) -> dict[str, str]:
    """Return a File with a JSON document in it."""
    return {"class": "File", "basename": name, "contents": json.dumps(document)}


def spec(given: argparse.Namespace, strategy: str, number: int, answers: list[Any]) -> Json:
    """Return a round."""
    claim = f"rounds-{strategy}"
    inputs = {name: {"class": "File", "path": f"/data/digits/{name}.npy"} for name in DATA}
    settings = {"query_strategy": strategy, "query_budget": given.budget, "seed": given.seed}
    inputs["config"] = literal("config.json", settings)
    volumes: list[Json] = [{"name": "digits", "configMap": {"name": "digits"}}]
    if number > 1:
        before = {"claimName": claim, "subPath": f"round-{number - 1}"}
        volumes.append({"name": "before", "persistentVolumeClaim": before})
        inputs["model_in"] = {"class": "File", "path": "/data/before/model_out.skops"}
        inputs["query_labels"] = [
            literal(f"labels-{earlier}.json", found) for earlier, found in enumerate(answers, 1)
        ]
    workflow = TEMPLATE.read_text().replace("template-image", given.image)
    found = {
        "cwl": yaml.safe_load(workflow),
        "inputs": inputs,
        "volumes": volumes,
        "outputs": {"persistentVolumeClaim": {"claimName": claim, "subPath": f"round-{number}"}},
        "deployment": given.deployment,
    }
    if given.deployment == "local":
        found["runner"] = {"image": given.image}
    return found


def learn(
    cluster: Cluster, given: argparse.Namespace, strategy: str, shown: np.ndarray
) -> list[Json]:
    """Play all rounds of a strategy, and return their metrics."""
    storage = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}}
    cluster.create("PersistentVolumeClaim", f"rounds-{strategy}", {"spec": storage})
    metrics, answers = [], []
    for number in range(1, given.rounds + 1):
        outputs = cluster.run(f"{strategy}-{number}", spec(given, strategy, number, answers))
        metrics.append(json.loads(outputs["metrics"]))
        print(f"{strategy:<12} round {number:>2}: accuracy {metrics[-1]['accuracy']}", flush=True)
        asked = [one["original_index"] for one in json.loads(outputs["query_samples"])]
        answers.append(
            [{"original_index": index, "final_label": str(shown[index])} for index in asked]
        )
    return metrics


def main() -> None:
    """Play all rounds, and draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--namespace", default="active-learning", help="made when it is missing")
    parser.add_argument("--deployment", default="local", help="where the rounds run")
    parser.add_argument(
        "--image",
        default="docker.io/dvre/runner-sklearn:dev",
        help="the runner with scikit-learn, as the cluster pulls it",
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=10, help="queries of a round")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path("learning-curve"), help="folder of results"
    )
    parser.add_argument("--strategies", nargs="+", default=["uncertainty", "random"])
    given = parser.parse_args()

    cluster = Cluster(given.namespace)
    cluster.clear()
    labelled, pool, test, shown = data.digits()
    # Grey levels from 0 to 16.
    samples = [one.astype(np.uint8) for one in (labelled.samples, pool, test.samples)]
    arrays = samples[0], labelled.labels, samples[1], samples[2], test.labels
    files = {f"{name}.npy": npy(values) for name, values in zip(DATA, arrays, strict=True)}
    cluster.create("ConfigMap", "digits", {"binaryData": files})
    with ThreadPoolExecutor() as threads:
        rows = threads.map(lambda one: learn(cluster, given, one, shown), given.strategies)
        results = dict(zip(given.strategies, rows, strict=True))

    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "metrics.json").write_text(json.dumps(results, indent=1) + "\n")
    curve.draw(results, given.out / "curve")
    print(f"{given.out}: curve.svg, curve.png, metrics.json")
    last = {strategy: metrics[-1]["accuracy"] for strategy, metrics in results.items()}
    if last.get("uncertainty", 1) <= last.get("random", 0):
        sys.exit(f"uncertainty sampling is not ahead of random sampling: {last}")


if __name__ == "__main__":
    main()

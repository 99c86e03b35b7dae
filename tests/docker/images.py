"""The container files as data, and what is asked of whoever runs in them."""

import json
import re
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from runtime.settings import Settings, variable

ROOT = Path(__file__).parent.parent.parent
DOCKER = ROOT / "docker"
KUBERNETES = DOCKER / "kubernetes"
DOCKERFILE = (DOCKER / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "fillstream"}
SETTINGS = frozenset(variable(name) for name in Settings.model_fields)


def compose_schema() -> dict[str, Any]:
    """The Compose Specification's own, which check-jsonschema brings along: of that, only the file is of use here."""
    file = metadata.distribution("check-jsonschema").locate_file(
        "check_jsonschema/builtin_schemas/vendor/compose-spec.json"
    )
    return json.loads(Path(str(file)).read_text())


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the Kubernetes manifests, with its file's name."""
    for path in sorted(KUBERNETES.glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            yield path.name, manifest


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [manifest for _, manifest in manifests() if manifest["kind"] in kinds]


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """The pod template of everything that runs, with its name."""
    for manifest in of_kind("StatefulSet", "Deployment", "Job"):
        yield manifest["metadata"]["name"], manifest["spec"]["template"]


def commands() -> set[tuple[str, ...]]:
    """Every command line of the image, in whichever file."""
    in_pods = {tuple(one["args"]) for _, pod in pods() for one in pod["spec"]["containers"]}
    return in_pods | {tuple(service["command"]) for service in OURS.values()}


def bytes_of(quantity: str) -> int:
    """Kubernetes' or Compose's amount of memory."""
    number, unit = re.fullmatch(r"(\d+)([KMG])i?", quantity).groups()
    return int(number) << {"K": 10, "M": 20, "G": 30}[unit]

"""The Kubernetes manifests: valid in every supported version, and what they say agrees with each other and the code."""

from urllib.parse import urlsplit

import kubernetes_validate
import pytest
from jsonschema import validate

from runtime.commands import running
from tests.alerts.test_metrics import SELECTOR, exported
from tests.docker.images import KUBERNETES, OURS, SETTINGS, bytes_of, manifests, of_kind, pods

#: The oldest that the manifests are meant for, and the newest whose schemas are installed.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
#: The part of KEDA's definition of a ScaledObject (keda.sh/v1alpha1) that is used.
SCALED_OBJECT = {
    "type": "object",
    "additionalProperties": False,
    "required": ["scaleTargetRef", "triggers"],
    "properties": {
        "scaleTargetRef": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "name": {"type": "string"}},
        },
        "pollingInterval": {"type": "integer"},
        "cooldownPeriod": {"type": "integer"},
        "minReplicaCount": {"type": "integer"},
        "maxReplicaCount": {"type": "integer"},
        "fallback": {
            "type": "object",
            "additionalProperties": False,
            "required": ["failureThreshold", "replicas"],
            "properties": {
                "failureThreshold": {"type": "integer"},
                "replicas": {"type": "integer"},
                "behavior": {
                    "enum": ["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]
                },
            },
        },
        "advanced": {"type": "object"},  # Kubernetes' own, checked below
        "triggers": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "metadata"],
                "properties": {
                    "type": {"const": "prometheus"},
                    "metricType": {"enum": ["AverageValue", "Value"]},
                    "metadata": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["serverAddress", "query", "threshold"],
                        "properties": {
                            name: {"type": "string"}
                            for name in (
                                *("serverAddress", "query", "threshold", "activationThreshold", "ignoreNullValues"),
                            )
                        },
                    },
                },
            },
        },
    },
}
EVERY = [(file, manifest) for file, manifest in manifests() if "k8s.io/v1beta1" not in manifest["apiVersion"]]
PODS = dict(pods())
CONFIG = of_kind("ConfigMap")[0]["data"]


@pytest.mark.parametrize(
    "manifest",
    [manifest for _, manifest in EVERY],
    ids=[f"{file}:{manifest['kind']}:{manifest['metadata']['name']}" for file, manifest in EVERY],
)
def test_it_is_what_its_definition_allows(manifest):
    if manifest["kind"] == "ScaledObject":
        validate(manifest["spec"], SCALED_OBJECT)
        manifest = autoscaler(manifest)
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


def autoscaler(scaled):
    """The HorizontalPodAutoscaler that KEDA makes of it, as far as it is Kubernetes' own."""
    spec = scaled["spec"]
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": scaled["metadata"],
        "spec": {
            "scaleTargetRef": spec["scaleTargetRef"],
            "minReplicas": spec["minReplicaCount"],
            "maxReplicas": spec["maxReplicaCount"],
            **spec["advanced"]["horizontalPodAutoscalerConfig"],
        },
    }


def test_a_misspelt_key_would_be_noticed():
    manifest = of_kind("Deployment")[0]
    wrong = manifest | {"spec": manifest["spec"] | {"replcias": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_kustomize_applies_every_file_but_the_examples():
    (kustomization,) = of_kind("Kustomization")
    there = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", "secrets.example.yaml"}
    assert set(kustomization["resources"]) == there


@pytest.mark.parametrize("name", sorted(PODS))
def test_a_pod_passes_the_restricted_standard(name):
    spec = PODS[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("name", sorted(PODS))
def test_a_pod_is_bounded_and_watched(name):
    spec = PODS[name]["spec"]
    for container in spec["containers"]:
        resources = container["resources"]
        assert bytes_of(resources["requests"]["memory"]) <= bytes_of(resources["limits"]["memory"])
        assert "cpu" in resources["requests"]
        if spec.get("restartPolicy") != "OnFailure":
            for probe in ("livenessProbe", "readinessProbe"):
                assert container[probe]["httpGet"] == {"path": "/metrics", "port": "metrics"}
    assert all("sizeLimit" in volume["emptyDir"] for volume in spec["volumes"] if "emptyDir" in volume)
    mounted = {mount["name"] for one in spec["containers"] for mount in one["volumeMounts"]}
    prepared = {mount["name"] for one in spec.get("initContainers", []) for mount in one["volumeMounts"]}
    assert mounted | prepared == {volume["name"] for volume in spec["volumes"]}


@pytest.mark.parametrize("name", sorted(PODS))
def test_a_pod_runs_a_command_with_settings_that_exist(name):
    (container,) = PODS[name]["spec"]["containers"]
    assert container["args"][0] in running.ENTRIES
    sources = {
        ("configMapRef", manifest["metadata"]["name"]): manifest["data"] for manifest in of_kind("ConfigMap")
    } | {("secretRef", manifest["metadata"]["name"]): manifest["stringData"] for manifest in of_kind("Secret")}
    names = {one["name"] for one in container.get("env", [])}
    for source in container["envFrom"]:
        ((kind, reference),) = source.items()
        names |= set(sources[kind, reference["name"]])
    assert names <= SETTINGS
    needed = {variable for variable in OURS[service_like(name)]["environment"] if "CLICKHOUSE" in variable}
    assert needed <= names


def service_like(name):
    """The service of the compose file that is the same process."""
    return {"worker": "worker-0", "gateway-binance": "gateway-simulated"}.get(name, name)


def test_every_process_of_the_compose_file_is_there_but_the_simulator():
    composed = {service["command"][0] for service in OURS.values()} - {"simulator"}
    assert {pod["spec"]["containers"][0]["args"][0] for pod in PODS.values()} == composed


def test_selectors_find_pods():
    labels = {name: set(pod["metadata"]["labels"].items()) for name, pod in PODS.items()}
    for manifest in of_kind("StatefulSet", "Deployment"):
        name = manifest["metadata"]["name"]
        assert set(manifest["spec"]["selector"]["matchLabels"].items()) <= labels[name]
        found = [
            other for other, own in labels.items() if set(manifest["spec"]["selector"]["matchLabels"].items()) <= own
        ]
        assert found == [name]
    for manifest in of_kind("Service", "PodDisruptionBudget"):
        selector = manifest["spec"]["selector"]
        wanted = set(selector.get("matchLabels", selector).items())
        assert len([own for own in labels.values() if wanted <= own]) == 1


def test_members_of_a_group_have_names_that_last():
    for manifest in of_kind("StatefulSet"):
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        own = [one["name"] for one in container["env"] if "valueFrom" in one]
        assert own == [f"FILLSTREAM_{container['args'][0].upper()}_ID"]
        assert manifest["spec"]["serviceName"] in {service["metadata"]["name"] for service in of_kind("Service")}
    for manifest in of_kind("Deployment"):
        assert (manifest["spec"]["replicas"], manifest["spec"]["strategy"]) == (1, {"type": "Recreate"})


def test_there_are_never_more_workers_than_partitions_and_lag_decides():
    (scaled,) = of_kind("ScaledObject")
    spec = scaled["spec"]
    assert 1 < spec["minReplicaCount"] < spec["maxReplicaCount"] == int(CONFIG["FILLSTREAM_PARTITIONS"])
    target = spec["scaleTargetRef"]
    assert (target["kind"], target["name"]) in {(m["kind"], m["metadata"]["name"]) for m in of_kind("StatefulSet")}
    known = exported()
    (trigger,) = spec["triggers"]
    assert [name for name, _ in SELECTOR.findall(trigger["metadata"]["query"]) if name not in known] == []
    workers = next(m for m in of_kind("StatefulSet") if m["metadata"]["name"] == target["name"])
    assert "replicas" not in workers["spec"], "it would take the number back from the autoscaler at every apply"


def test_nobody_talks_to_anybody_unless_a_policy_says_so():
    policies = {manifest["metadata"]["name"]: manifest["spec"] for manifest in of_kind("NetworkPolicy")}
    everybody = policies["nobody-to-anybody"]
    assert (everybody["podSelector"], set(everybody["policyTypes"])) == ({}, {"Ingress", "Egress"})
    allowed = {
        (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], port["port"])
        for policy in policies.values()
        for rule in policy.get("egress", [])
        for peer in rule["to"]
        if "namespaceSelector" in peer
        for port in rule["ports"]
    }
    servers = [urlsplit(value if "//" in value else f"//{value}") for name, value in CONFIG.items() if ".svc:" in value]
    assert len(servers) == 3
    assert {(server.hostname.split(".")[1], server.port) for server in servers} <= allowed

"""The lane stands on the inside of Faust and aiokafka. An upgrade that changes what it stands on must not go unnoticed.

Each entry names something that ``streaming`` overrides, or whose inner workings it counts on, with the hash of its
source. If one differs: read what has changed, see whether ``streaming`` still holds, then write the new hash.
"""

import importlib
import inspect
from hashlib import blake2b
from importlib.metadata import version

import pytest

VERSIONS = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0", "mode-streaming": "0.7.1"}

SOURCES = {
    "faust.transport.consumer:Consumer.getmany": "5c87d5d37428",
    "faust.transport.consumer:Consumer._wait_next_records": "62b6a4fb3f1c",
    "faust.transport.consumer:Consumer._drain_messages": "b62bd6539aeb",
    "faust.transport.consumer:Consumer.perform_seek": "3abec3df46b4",
    "faust.transport.consumer:Consumer.on_init_dependencies": "7596ad892ce0",
    "faust.transport.consumer:Consumer.on_partitions_revoked": "bff85c032527",
    "faust.transport.consumer:Consumer.on_partitions_assigned": "cb323f47e1bb",
    "faust.transport.consumer:Consumer.on_stop": "f90ba1596099",
    "faust.transport.consumer:ConsumerThread.on_partitions_revoked": "ab261e77dfd5",
    "faust.transport.consumer:ConsumerThread.on_partitions_assigned": "9f49ec22e640",
    "faust.transport.consumer:TransactionManager.flush": "0f48f19045e2",
    "faust.transport.consumer:TransactionManager.commit": "e7f9df795114",
    "faust.transport.consumer:TransactionManager.on_partitions_revoked": "738415de6667",
    "faust.transport.consumer:TransactionManager.on_rebalance": "49e4ee74a74e",
    "faust.transport.drivers.aiokafka:ConsumerRebalanceListener": "7dfbfdb8cd03",
    "faust.transport.drivers.aiokafka:Consumer._new_consumer_thread": "991867355aba",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.__post_init__": "dd2c62b1dafa",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread.on_start": "5550ff514f9b",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_consumer": "ffeca4663c73",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._create_worker_consumer": "9246a21942b3",
    "faust.transport.drivers.aiokafka:AIOKafkaConsumerThread._fetch_records": "8e15801cd1ae",
    "faust.transport.conductor:ConductorCompiler.build": "e37d7ab0a66a",
    "faust.transport.conductor:Conductor.on_partitions_assigned": "0c70d7d3f184",
    "faust.streams:Stream.events": "9543229742b5",
    "faust.streams:Stream._py_aiter": "bdaa82e9803f",
    "faust.tables.base:Collection.on_rebalance": "0c2b0d7d4c76",
    "faust.tables.base:Collection.on_start": "6cb676f95c98",
    "faust.tables.table:Table.on_key_set": "4e9d3546e480",
    "faust.tables.table:Table.on_key_del": "6606a68d60cc",
    "faust.tables.manager:TableManager.add": "3844684d255e",
    "faust.tables.manager:TableManager.on_start": "ff7f72f993a6",
    "faust.tables.manager:TableManager._update_channels": "49b93df9b674",
    "faust.tables.manager:TableManager.on_rebalance": "6c39f409fe7a",
    "faust.tables.manager:TableManager.on_partitions_revoked": "f21fe574d0b5",
    "faust.tables.recovery:Recovery.on_rebalance": "ccf60b5f1747",
    "faust.tables.recovery:Recovery._resume_streams": "65a824f3789d",
    "faust.tables.recovery:Recovery._wait": "a17ce9f74487",
    "faust.app.base:App._on_partitions_revoked": "289e06db160c",
    "faust.app.base:App._on_partitions_assigned": "87d6dabfbdaf",
    "faust.app.base:App._update_assignment": "89d44532af34",
    "faust.app.base:App._create_directories": "5f68f68ff65c",
    "faust.app.base:App.on_stop": "e6e88399cd00",
    "faust.app.base:App._stop_consumer": "f6eba0a41adf",
    "faust.worker:Worker.on_init_dependencies": "81eddf4d526a",
    "mode.worker:Worker.execute_from_commandline": "1e5aaf61551b",
    "mode.worker:Worker.default_on_first_start": "8e777239a3e5",
    "mode.threads:QueueServiceThread": "9f77b04a8b77",
    "faust.assignor.partition_assignor:PartitionAssignor._get_copartitioned_groups": "9a0a50dabb71",
    "faust.assignor.client_assignment:ClientAssignment.copartitioned_assignment": "2a517268a81a",
    "aiokafka.consumer.fetcher:FetchResult": "da332176786f",
    "aiokafka.consumer.fetcher:PartitionRecords": "6cea7630af76",
    "aiokafka.consumer.fetcher:Fetcher._get_actions_per_node": "4d4471a80d3b",
    "aiokafka.consumer.fetcher:Fetcher._proc_fetch_request": "120083e326eb",
    "aiokafka.consumer.fetcher:Fetcher.fetched_records": "377ee3925c9f",
    "aiokafka.consumer.fetcher:Fetcher.seek_to": "a5f0c8182417",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._on_join_prepare": "6e4b9d84a2bf",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._on_join_complete": "511172b83943",
    "aiokafka.consumer.group_coordinator:GroupCoordinator._maybe_leave_group": "9b75c3fa6001",
    "aiokafka.consumer.subscription_state:SubscriptionState.fetch_context": "1ad948a308b5",
    "aiokafka.consumer.subscription_state:Assignment.state_value": "feb136261ae5",
    "aiokafka.consumer.subscription_state:TopicPartitionState": "1f45e8404ed7",
}

OVERRIDDEN = {
    "streaming.app:App": ["_create_directories", "on_stop"],
    "streaming.table:Table": ["_new_store", "on_key_del", "on_key_set", "on_rebalance"],
    "streaming.transport:BareRecords": ["__iter__", "_unpack_records"],
    "streaming.transport:ChunkSchema": ["compile"],
    "streaming.transport:Consumer": ["__post_init__", "_new_consumer_thread", "getmany", "perform_seek"],
    "streaming.transport:ConsumerThread": [
        "__post_init__",
        "_create_worker_consumer",
        "on_partitions_assigned",
        "on_partitions_revoked",
    ],
    "streaming.transport:Recovery": ["on_rebalance"],
    "streaming.transport:TableManager": ["_update_channels", "on_start", "recovery"],
    "streaming.transport:Transactions": ["commit", "flush", "on_partitions_revoked", "on_rebalance"],
}

NAMES_OF_OURS = {
    "streaming.transport:Consumer": {"admit", "publish", "taken", "weigh"},
    "streaming.transport:ConsumerThread": {"admit", "fetch_again", "go_on", "publish", "stretches"},
}


def found(path):
    module, _, name = path.partition(":")
    thing = importlib.import_module(module)
    for part in name.split("."):
        thing = inspect.getattr_static(thing, part)
    return thing


@pytest.mark.parametrize(("package", "pinned"), VERSIONS.items())
def test_the_version_is_the_one_that_was_read(package, pinned):
    assert version(package) == pinned


@pytest.mark.parametrize(("path", "pinned"), SOURCES.items())
def test_the_source_is_the_one_that_was_read(path, pinned):
    source = inspect.getsource(inspect.unwrap(found(path)))
    assert blake2b(source.encode(), digest_size=6).hexdigest() == pinned


@pytest.mark.parametrize(("path", "names"), OVERRIDDEN.items())
def test_what_is_overridden_exists_and_takes_the_same_arguments(path, names):
    ours = found(path)
    (base,) = ours.__bases__
    for name in names:
        theirs, mine = inspect.getattr_static(base, name), inspect.getattr_static(ours, name)
        if inspect.isfunction(mine):
            accepts = inspect.signature(mine)
            accepts.bind(*_arguments(theirs), **_options(theirs))


@pytest.mark.parametrize(("path", "names"), NAMES_OF_OURS.items())
def test_names_of_our_own_hide_none_of_theirs(path, names):
    (base,) = found(path).__bases__
    assert not [name for name in names if hasattr(base, name)]


@pytest.mark.parametrize("path", OVERRIDDEN)
def test_every_override_is_accounted_for(path):
    ours = found(path)
    (base,) = ours.__bases__
    members = {name for name, value in vars(ours).items() if inspect.isroutine(value) or isinstance(value, property)}
    assert {name for name in members if hasattr(base, name)} - {"__init__"} == set(OVERRIDDEN[path])


def _arguments(function):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [name for name, each in inspect.signature(function).parameters.items() if each.kind in kinds]


def _options(function):
    each = inspect.signature(function).parameters
    return {name: None for name, one in each.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}

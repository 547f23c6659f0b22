import subprocess
import sys


def python(code: str) -> str:
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return process.stdout.strip()


def test_nothing_heavy_is_loaded_for_a_local_run() -> None:
    code = """
import sys
from dvre_streamflow import lazy
lazy.install()
import streamflow.main
from streamflow.ext.utils import load_extensions
load_extensions()
from streamflow.config.schema import SfSchema
SfSchema()
print([m for m in ("kubernetes_asyncio", "asyncssh", "aiohttp.client") if m in sys.modules])
"""
    assert python(code) == "[]"


def test_stand_ins_have_the_schemas_of_the_real_classes() -> None:
    dump = "from streamflow.config.schema import SfSchema; print(SfSchema().dump('v1.0'))"
    lazy = "from dvre_streamflow import lazy; lazy.install(); "
    assert python(lazy + dump) == python(dump)
    plugin = "from streamflow.ext.utils import load_extensions; load_extensions(); "
    schemas = """
from streamflow.deployment.connector import connector_classes
print({name: connector.get_schema() for name, connector in connector_classes.items()})
"""
    assert python(lazy + plugin + schemas).splitlines()[-1] == python(schemas)


def test_a_stand_in_becomes_the_real_class() -> None:
    code = """
from dvre_streamflow import lazy
lazy.install()
import sys
import streamflow.main
from streamflow.data import remotepath
from streamflow.deployment.connector import connector_classes
ssh = connector_classes["ssh"]("name", "/", nodes=["host"], username="user")
kubernetes = connector_classes["kubernetes"]("name", "/", files=[])
print(isinstance(ssh, sys.modules[type(ssh).__module__].SSHConnector))
print(isinstance(kubernetes, sys.modules[type(kubernetes).__module__].KubernetesConnector))
print(remotepath.aiohttp.ClientSession.__module__)
"""
    assert python(code).split() == ["True", "True", "aiohttp.client"]


def test_the_plugins_connectors_are_loaded_when_used() -> None:
    code = """
from dvre_streamflow import lazy
lazy.install()
import sys
import streamflow.main
from streamflow.ext.utils import load_extensions
load_extensions()
from streamflow.deployment.connector import connector_classes
configs = {"ssh": {"nodes": ["host"], "username": "user"}, "kubernetes": {"files": []}}
for name, config in configs.items():
    connector = connector_classes[name]("name", "/", **config)
    print(type(connector).__name__, type(connector).__mro__[1].__module__)
"""
    assert python(code).splitlines() == [
        "DvreSSHConnector streamflow.deployment.connector.ssh",
        "DvreKubernetesConnector streamflow.deployment.connector.kubernetes",
    ]

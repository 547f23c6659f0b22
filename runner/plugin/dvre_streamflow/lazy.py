"""Modules that load when a run first uses them.

StreamFlow imports every connector whatever the configuration says, and the Kubernetes, ssh
and HTTP client libraries are half of its start-up time. What stands in the place of a
connector knows its configuration schema; creating one loads the real module and returns an
instance of the real class.
"""

import importlib
import sys
from importlib.resources import files
from types import ModuleType

_PACKAGE = "streamflow.deployment.connector"

# Module, class, and the file of its schema, as the real get_schema() reads it.
_CONNECTORS = (
    ("kubernetes", "KubernetesConnector", "kubernetes.json"),
    ("kubernetes", "Helm3Connector", "helm3.json"),
    ("kubernetes", "Helm4Connector", "helm4.json"),
    ("ssh", "SSHConnector", "ssh.json"),
)

# StreamFlow downloads files with it. Beside the connectors nothing else imports it, and the
# name is only used in annotations.
_HTTP = "aiohttp"
_HTTP_NAME = "ClientResponse"


class _LazyModule(ModuleType):
    """Answers with what was put into it, and loads the real module for any other name."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_load(self.__name__), name)


def _load(name: str) -> ModuleType:
    # The connectors import parts of the HTTP client, for which the real one must be there.
    for module in {name, _HTTP}:
        if isinstance(sys.modules.get(module), _LazyModule):
            del sys.modules[module]
    return importlib.import_module(name)


def stand_in(module: str, name: str, schema: str, base: str | None = None) -> type:
    """Make a class that `module` is only loaded for when one is created.

    `base` is the connector of StreamFlow that it extends, and `schema` the file of its schema.
    """

    def new(_cls: type, *args: object, **kwargs: object) -> object:
        if base is not None:
            _load(f"{_PACKAGE}.{base}")
        return getattr(_load(module), name)(*args, **kwargs)

    def get_schema(_cls: type) -> str:
        return files(_PACKAGE).joinpath("schemas", schema).read_text("utf-8")

    body = {"__module__": module, "__new__": new, "get_schema": classmethod(get_schema)}
    return type(name, (), body)


def _put(module: str, name: str, value: object) -> None:
    lazy = sys.modules.setdefault(module, _LazyModule(module))
    if isinstance(lazy, _LazyModule):
        setattr(lazy, name, value)


def install() -> None:
    """Put the stand-ins where StreamFlow will import from."""
    for suffix, name, schema in _CONNECTORS:
        module = f"{_PACKAGE}.{suffix}"
        _put(module, name, stand_in(module, name, schema))
    _put(_HTTP, _HTTP_NAME, object)

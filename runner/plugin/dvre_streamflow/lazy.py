"""Connectors that load when a run first uses them.

StreamFlow imports every connector whatever the configuration says, and the Kubernetes and
ssh client libraries are half of its start-up time. The classes here stand in their place:
they know their configuration schema, and creating one loads the real module and returns
an instance of the real class.
"""

import importlib
import sys
from importlib.resources import files
from types import ModuleType

_PACKAGE = "streamflow.deployment.connector"

# Module, class, and the file of its schema, as the real get_schema() reads it.
_CLASSES = (
    ("kubernetes", "KubernetesConnector", "kubernetes.json"),
    ("kubernetes", "Helm3Connector", "helm3.json"),
    ("kubernetes", "Helm4Connector", "helm4.json"),
    ("ssh", "SSHConnector", "ssh.json"),
)


class _LazyModule(ModuleType):
    """Answers with stand-ins, and loads the real module for any other name."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_load(self.__name__), name)


def _load(name: str) -> ModuleType:
    if isinstance(sys.modules.get(name), _LazyModule):
        del sys.modules[name]
    return importlib.import_module(name)


def _stand_in(module: str, name: str, schema: str) -> type:
    def new(_cls: type, *args: object, **kwargs: object) -> object:
        return getattr(_load(module), name)(*args, **kwargs)

    def get_schema(_cls: type) -> str:
        return files(_PACKAGE).joinpath("schemas", schema).read_text("utf-8")

    body = {"__module__": module, "__new__": new, "get_schema": classmethod(get_schema)}
    return type(name, (), body)


def install() -> None:
    """Put the stand-ins where StreamFlow will import the connectors from."""
    for suffix, name, schema in _CLASSES:
        module = f"{_PACKAGE}.{suffix}"
        lazy = sys.modules.setdefault(module, _LazyModule(module))
        if isinstance(lazy, _LazyModule):
            setattr(lazy, name, _stand_in(module, name, schema))

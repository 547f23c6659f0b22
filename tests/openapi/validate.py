"""Says what is wrong with an OpenAPI 3.1 document: against the specification, and of its examples against
their schemas. Nothing is fetched.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

NAME = "urn:document"


def examples(value: object, at: str = "#") -> Iterator[tuple[str, object]]:
    """Give the place of each schema that has examples beside it, and the examples."""
    if isinstance(value, dict):
        if "schema" in value:
            if "example" in value:
                yield f"{at}/schema", value["example"]
            for example in value.get("examples", {}).values():
                yield f"{at}/schema", example["value"]
        for key, inner in value.items():
            step = key.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
            yield from examples(inner, f"{at}/{step}")
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from examples(inner, f"{at}/{place}")


document = json.loads(Path(sys.argv[1]).read_text())
wrong = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in OpenAPIV31SpecValidator(document).iter_errors()]
registry = Registry().with_resource(NAME, Resource.from_contents(document, default_specification=DRAFT202012))
found = list(examples(document))
for schema, example in found:
    validator = Draft202012Validator({"$ref": NAME + schema}, registry=registry)
    wrong += [f"example of {schema}: {error.message}" for error in validator.iter_errors(example)]
if not found:
    wrong.append("no examples were found")
print(*wrong, sep="\n", end="\n" if wrong else "")
sys.exit(bool(wrong))

"""Prints what rocrate-validator has against a folder: a JSON list of [severity, check, entity, message].

Nothing is fetched: the JSON-LD context of RO-Crate 1.1 comes from the package rocrate, and any other
address is an error.
"""

import json
import sys
from importlib import resources

from rocrate_validator import services
from rocrate_validator.models import Severity
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


class Answer:
    """The context, as its address would give it."""

    status_code = 200
    headers = {"Content-Type": "application/ld+json"}
    text = resources.files("rocrate").joinpath("data/ro-crate.jsonld").read_text()

    def json(self) -> object:
        """Parse it."""
        return json.loads(self.text)


def get(self: HttpRequester, url: str, *_: object, **__: object) -> Answer:
    """Answer without a network."""
    if url != CONTEXT:
        raise RuntimeError(f"{url} is not to be fetched")
    return Answer()


HttpRequester.get = get
folder, profile = sys.argv[1:]
settings = services.ValidationSettings(
    rocrate_uri=folder,
    profile_identifier=profile,
    requirement_severity=Severity.RECOMMENDED,
    skip_availability_check=True,
)
issues = services.validate(settings).get_issues()
json.dump(
    [
        [issue.severity.name, issue.check.identifier, str(issue.violatingEntity), issue.message]
        for issue in issues
    ],
    sys.stdout,
)

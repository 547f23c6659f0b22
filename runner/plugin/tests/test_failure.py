"""What a failure tells."""

import pytest
from streamflow.core.utils import random_name

from dvre_streamflow.failure import Failure


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lab", "deployment lab: no image"),
        (random_name(), "the container of a DockerRequirement: no image"),
    ],
)
def test_a_place_is_named_as_its_author_knows_it(name: str, expected: str) -> None:
    """Nobody knows the random name of what a DockerRequirement asks for."""
    failure = Failure("ImagePullFailed", f"deployment {name}: no image")
    assert failure.message == str(failure) == expected

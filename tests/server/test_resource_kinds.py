"""The kinds of resources: each has a URI template, names and a reader, and nothing is taken for another kind."""

import base64

import pytest
from mcp_types import BlobResourceContents, TextResourceContents

from runway_mcp.server.contract.uris import KINDS, LONGEST_URI, Address, Kind, address_of, template_of, variable_of
from runway_mcp.server.resources.handlers import contents_of
from runway_mcp.server.resources.kinds import resource_kind


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_template_of_its_own_and_its_uris_lead_back_to_it(kind: Kind) -> None:
    address = Address(kind, None if variable_of(kind) is None else "user:1-runwayml:a@b.c-x:1")

    assert address_of(address.uri) == address
    assert [template_of(each) for each in KINDS].count(template_of(kind)) == 1
    assert template_of(kind).count("{") <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_names_and_a_mime_type_of_its_own(kind: Kind) -> None:
    told = resource_kind(kind)

    assert [resource_kind(each).name for each in KINDS].count(told.name) == 1
    assert told.title
    assert told.description.endswith(".")
    assert "/" in told.mime_type


@pytest.mark.parametrize("uri", ["runway://other", "runway://tasksx", "runway://assets", "https://tasks/1", ""])
def test_a_uri_of_no_kind_is_none(uri: str) -> None:
    assert address_of(uri) is None


def test_text_is_carried_as_it_is_and_bytes_in_base64() -> None:
    picture = b"\x89PNG\r\n\x00\xff"

    text, blob = (
        contents_of("runway://tasks", "application/json", "{}"),
        contents_of("runway://x/1", "image/png", picture),
    )

    assert text == TextResourceContents(uri="runway://tasks", mime_type="application/json", text="{}")
    assert isinstance(blob, BlobResourceContents)
    assert (blob.uri, blob.mime_type, base64.b64decode(blob.blob)) == ("runway://x/1", "image/png", picture)


def test_a_uri_that_no_id_needs_the_length_of_names_nothing() -> None:
    # It is not even decoded, which would hold up other calls.
    assert address_of(f"runway://tasks/{'%41' * (LONGEST_URI // 3)}") is None
    assert address_of("runway://tasks/%41") == Address("task", "A")

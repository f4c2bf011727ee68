"""The payload hash: published vectors, and what may differ without changing it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.ledger.hashing import payload_hash

SUITABILITY = "25d4f49ec957199bd7a539e17057089410f7cfdcd45c7b02f8fb4e85f8b307fe"


@pytest.mark.parametrize(
    ("job_type", "payload", "expected"),
    [
        (
            "TEST",
            {"id": 1},
            "a8637e9a541fb0570fc3a43157601feeb04354cfc1e2147ded1da577f7b779ed",
        ),
        (
            "SUITABILITY_ASSESSMENT",
            {
                "region": " Townsville  Whitsunday",
                "reef_type": "slopes",
                "x_dist": 450,
                "y_dist": 20,
            },
            SUITABILITY,
        ),
        (
            "SUITABILITY_ASSESSMENT",
            {
                "y_dist": 20.0,
                "x_dist": 450,
                " reef_type ": "slopes",
                "region": "Townsville Whitsunday",
            },
            SUITABILITY,
        ),
        (
            "REGIONAL_ASSESSMENT",
            {"region": "Townsville Whitsunday", "reef_type": "slopes"},
            "5c18610ca8f88fcf5213fb096ca8969d86ba19af0cda31c9ae0afad2e73c3cb8",
        ),
    ],
)
def test_published_vectors(job_type: str, payload: Mapping[str, object], expected: str) -> None:
    assert payload_hash(payload, job_type) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 0}, {"a": False}),
        ({"a": None}, {}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": "x y"}, {"a": "xy"}),
        ({"a": 0.1}, {"a": 0.2}),
    ],
)
def test_payloads_that_mean_different_things_differ(
    one: Mapping[str, object], other: Mapping[str, object]
) -> None:
    assert payload_hash(one, "T") != payload_hash(other, "T")


def test_the_type_is_part_of_the_hash() -> None:
    assert payload_hash({"id": 1}, "A") != payload_hash({"id": 1}, "B")


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.from_regex(r"[a-z]{1,8}"), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), _values))
def test_a_stored_and_reordered_copy_has_the_same_hash(
    payload: dict[str, object],
) -> None:
    reordered = dict(reversed(payload.items()))
    copy = json.loads(json.dumps(reordered, indent=2))
    assert payload_hash(copy, "T") == payload_hash(payload, "T")

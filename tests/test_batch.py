"""EventBatch: columns in, the same columns out, and clear refusals."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evcodec
from evcodec import EventBatch, InvalidArgumentError
from generators import DTYPES, assert_same, batch_of, batches, session


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_values_are_kept_without_a_copy(dtype):
    values = np.array([np.iinfo(dtype).min, 0, np.iinfo(dtype).max], dtype)
    batch = EventBatch(pressure=values, x=values)
    assert batch["pressure"].dtype == batch.x.dtype == dtype
    assert np.shares_memory(batch["pressure"], values)


@pytest.mark.parametrize(
    "name", ["self", "columns", "größe", "class", "n" * 64, "é" * 32, "_hidden", "select", "\n"]
)
def test_any_name_that_the_format_carries(name):
    batch = batch_of({name: np.array([1, 2], np.int16), "t": np.array([5, 6])})
    np.testing.assert_array_equal(batch[name], [1, 2])
    found = evcodec.decode(evcodec.encode(batch))
    np.testing.assert_array_equal(found[name], [1, 2])
    np.testing.assert_array_equal(EventBatch.concat([batch, found])[name], [1, 2, 1, 2])


@pytest.mark.parametrize("name", ["", "n" * 65, "é" * 33, "\ud800"])
def test_a_name_that_the_format_cannot_carry(name):
    with pytest.raises(InvalidArgumentError, match="column name"):
        batch_of({name: np.array([1])})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1.0]), "float64"),
        ([1.5], "float64"),
        (np.array([True]), "bool"),
        (["a"], "dtype"),
        ([None], "object"),
        ([2**64], "object"),
        ([-1, 2**63], "dtype"),
        (np.array([1 + 0j]), "complex"),
        (np.array([0], "datetime64[ns]"), "datetime64"),
        (np.zeros((2, 2), np.int64), "2 dimensions"),
        (5, "0 dimensions"),
        (None, "0 dimensions"),
    ],
    ids=repr,
)
def test_what_is_no_column_is_refused(values, message):
    with pytest.raises(InvalidArgumentError, match=rf"column 'pressure'.*{message}"):
        EventBatch(pressure=values)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(InvalidArgumentError, match=r"t: 3, x: 2"):
        EventBatch(t=[1, 2, 3], x=[1, 2])


@pytest.mark.parametrize(
    ("name", "fits", "too_much"),
    [
        ("t", np.array([2**63 - 1], np.uint64), np.array([2**63], np.uint64)),
        ("kind", np.array([255, 0], np.int64), np.array([256], np.int64)),
        ("kind", [0], [-1]),
    ],
)
def test_time_and_kind_have_a_dtype_of_their_own(name, fits, too_much):
    batch = batch_of({name: fits})
    assert batch[name].dtype == {"t": np.int64, "kind": np.uint8}[name]
    assert batch[name].tolist() == list(fits)
    with pytest.raises(InvalidArgumentError, match=str(int(too_much[0]))):
        batch_of({name: too_much})


def test_swapped_time_is_converted():
    t = np.array([1, -2, 2**62], ">i8")
    assert EventBatch(t=t).t.tolist() == [1, -2, 2**62]
    assert EventBatch(t=t).t.dtype.isnative


def test_columns_that_are_missing_read_as_zeros():
    batch = EventBatch(t=[1, 2], x=[3, 4])
    assert batch.dx.dtype == np.int32
    assert batch["source"].tolist() == [0, 0]
    assert set(batch.columns) == {"t", "x"}
    with pytest.raises(KeyError, match="pressure"):
        batch["pressure"]
    with pytest.raises(AttributeError, match="pressure"):
        _ = batch.pressure


def test_the_mapping_of_columns_is_read_only():
    batch = session(3)
    with pytest.raises(TypeError):
        batch.columns["x"] = np.zeros(3)  # type: ignore[index]


@given(batches(), st.integers(-70, 70), st.integers(-70, 70), st.integers(1, 5))
def test_slices_are_those_of_numpy(batch, start, stop, step):
    part = batch[start:stop:step]
    for name, values in batch.columns.items():
        np.testing.assert_array_equal(part[name], values[start:stop:step])
    assert len(part) == len(range(*slice(start, stop, step).indices(len(batch))))


def test_masks_and_index_arrays():
    batch = session(100)
    for key in (batch.kind == 3, np.flatnonzero(batch.kind == 3), np.flatnonzero(batch.kind == 3).tolist()):
        part = batch[key]
        assert 0 < len(part) < 100
        assert set(part.kind.tolist()) == {3}
        np.testing.assert_array_equal(part.t, batch.t[batch.kind == 3])
    with pytest.raises(InvalidArgumentError):
        batch[1.5]
    with pytest.raises(IndexError):
        batch[np.array([100])]


def test_one_event_and_iteration():
    batch = EventBatch(t=[10, 20], x=[-1, 2])
    assert batch[0] == {"t": 10, "x": -1}
    assert batch[-1] == {"t": 20, "x": 2}
    assert list(batch) == [{"t": 10, "x": -1}, {"t": 20, "x": 2}]
    with pytest.raises(IndexError):
        batch[2]


@given(batches())
def test_equals_itself_and_no_other(batch):
    assert batch.equals(batch_of({name: values.copy() for name, values in batch.columns.items()}))
    assert not batch.equals(None)
    for name, values in batch.columns.items():
        if len(batch):
            changed = dict(batch.columns)
            changed[name] = values.copy()
            changed[name][len(batch) // 2] ^= 1
            assert not batch.equals(batch_of(changed))
        if name not in ("t", "kind"):
            other = "uint16" if values.dtype != np.uint16 else "int16"
            assert (
                not batch.equals(batch_of({**batch.columns, name: np.zeros(len(batch), other)}))
                or not values.any()
            )


def test_a_column_of_zeros_equals_a_missing_one():
    assert EventBatch(t=[1], dx=[0]).equals(EventBatch(t=[1]))
    assert EventBatch(t=[1]).equals(EventBatch(t=[1], dx=[0]))
    assert not EventBatch(t=[1], dx=[1]).equals(EventBatch(t=[1]))
    assert not EventBatch(t=[1]).equals(EventBatch(t=[1, 1]))
    assert not EventBatch(x=np.array([1], np.int16)).equals(EventBatch(x=np.array([1], np.int32)))


def test_concat_fills_gaps_and_widens():
    joined = EventBatch.concat(
        [
            EventBatch(t=[1], a=np.array([255], np.uint8)),
            EventBatch(t=[2, 3], b=np.array([7, 8], np.uint64)),
            EventBatch(t=[4], a=np.array([-300], np.int16)),
        ]
    )
    assert joined["a"].tolist() == [255, 0, 0, -300]
    assert joined["a"].dtype == np.int16
    assert joined["b"].tolist() == [0, 7, 8, 0]
    assert joined["b"].dtype == np.uint64
    assert len(EventBatch.concat([])) == 0


def test_concat_refuses_what_no_integer_dtype_holds():
    with pytest.raises(InvalidArgumentError, match="uint64"):
        EventBatch.concat([EventBatch(a=np.array([1], np.uint64)), EventBatch(a=np.array([1], np.int8))])


def test_select_keeps_only_what_was_named():
    batch = session(5)
    part = batch.select(["y", "source"])
    assert list(part.columns) == ["y", "source"]
    np.testing.assert_array_equal(part.y, batch.y)
    with pytest.raises(KeyError):
        batch.select(["nothing"])


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda batch: pickle.loads(pickle.dumps(batch))])
def test_batches_can_be_copied_and_pickled(again):
    batch = session(20)
    assert_same(again(batch), batch)
    assert again(batch).equals(batch)


def test_repr_names_columns_and_no_values():
    assert (
        repr(EventBatch(t=[123456], code=np.array([77], np.int32)))
        == "<EventBatch of 1 events (t: int64, code: int32)>"
    )

from __future__ import annotations

from pathlib import Path

import torch

from npu_eval.locate.values import CountingStore, DiskStore, Ref, Storages


def ref(tensor: torch.Tensor, value: int) -> Ref:
    return Ref("value", value, "", tensor.dtype, tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset()))


def test_a_stored_storage_gives_back_each_of_its_views(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "values")
    tensors = [torch.randn(3, 4, 5), torch.arange(7), torch.rand(2, 2).double() > 0.5, torch.empty(0)]
    numbers = [store.add(t) for t in tensors]
    store.finish()
    for tensor, number in zip(tensors, numbers, strict=True):
        assert torch.equal(store.tensor(ref(tensor, number)), tensor)
    view = tensors[0].transpose(0, 2)[1:, ::2]
    assert torch.equal(store.tensor(ref(view, numbers[0])), view)


def test_changes_to_what_was_read_never_reach_the_disk(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "values")
    tensor = torch.ones(4)
    place = ref(tensor, store.add(tensor))
    store.finish()
    store.tensor(place).zero_()
    assert torch.equal(store.tensor(place), tensor)


def test_counting_tells_what_the_disk_will_hold(tmp_path: Path) -> None:
    counted, store = CountingStore(), DiskStore(tmp_path / "values")
    for tensor in (torch.randn(5), torch.randn(3, 3).half(), torch.arange(100)):
        counted.add(tensor)
        store.add(tensor)
    store.finish()
    assert counted.nbytes == store.nbytes == (tmp_path / "values").stat().st_size
    assert counted.checksums == store.checksums


def test_a_freed_storage_is_never_mistaken_for_a_new_one() -> None:
    known = Storages[int]()
    for number in range(200):
        tensor = torch.zeros(number % 7 + 1)
        assert known.of(tensor) is None
        known.note(tensor, number)
        assert known.of(tensor[:1]) == number
    known.forget(tensor)
    assert known.of(tensor) is None

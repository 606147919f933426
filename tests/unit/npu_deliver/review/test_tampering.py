"""Damages of every kind are found with the right file named, and untouched copies pass."""

from __future__ import annotations

from npu_deliver.review import tampering


def test_damages_of_every_kind_are_found(folder_on_cpu):
    tried = tampering.try_out(folder_on_cpu, 12, 7, clean=1)
    kinds = {damage.kind for damage, _ in tried.damages}
    assert kinds >= {"digit", "file added", "file removed", "picture replaced", "threshold changed", "stamp removed"}
    assert {damage.sealed_anew for damage, _ in tried.damages} == {True, False}
    assert not tried.missed
    assert tried.holds
    told = "\n".join(tampering.told(tried))
    assert "12 damages, 12 found" in told
    assert "1 of 1 untouched copies pass" in told


def test_a_folder_that_is_wrong_from_the_start_is_no_clean_copy(folder):
    (folder / "stray.txt").write_text("1\n", encoding="utf-8")
    tried = tampering.try_out(folder, 1, 0, clean=1)
    assert tried.blamed == 1
    assert not tried.holds

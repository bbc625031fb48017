"""The codecs of netdrive, PiCloud and the control link under damaged streams: the short run of `bench/fuzz_codecs.py`."""

import pytest
from bench import fuzz_codecs


@pytest.mark.parametrize("codec", list(fuzz_codecs.CODECS))
def test_damaged_streams(codec: str) -> None:
    """Nothing but declared errors, the same reading at every cut, never more held than one head, no time lost."""
    report = fuzz_codecs.run(codec, 6_000, seed=4)

    assert report.runs == 6_000
    assert 0 < report.errors < report.runs
    assert report.slowest_ms < 2_000

from __future__ import annotations

import struct
from pathlib import Path

from mlphys.io import event_file
from mlphys.io.event_file import EventFile, Image, event, record
from mlphys.io.run_folder import RunFolder


def test_a_record_has_the_checksum_of_castagnoli_masked_as_in_tfrecords():
    crc = 0xE3069283  # of 123456789, as in RFC 3720
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert record(b"123456789")[-4:] == struct.pack("<I", masked)


def test_a_number_is_written_as_protocol_buffers_do():
    content = event("loss", 0.5, 300, 2.0)[12:-4]
    assert (
        content
        == (
            b"\x09" + struct.pack("<d", 2.0) + b"\x10\xac\x02"  # time, step
            b"\x2a\x0d\x0a\x0b\x0a\x04loss\x15" + struct.pack("<f", 0.5)
        )
    )


def test_a_training_that_goes_on_keeps_the_events_before_it_and_no_half_record(tmp_path: Path):
    file = EventFile(RunFolder(tmp_path), "events")
    file.begin(1.0, 0)
    first = [event("loss", 0.5, step, 1.0) for step in (1, 2, 300)]
    file.append(b"".join(first))
    before = (tmp_path / "events").read_bytes()
    file.append(event("filters", Image(1, 1, b"png"), 301, 1.0) + first[0][:20])
    file.begin(9.0, 300)
    assert (tmp_path / "events").read_bytes() == before
    file.begin(9.0, 1)
    assert (tmp_path / "events").read_bytes().endswith(first[0])
    file.begin(9.0, 0)
    assert len(list(event_file._records((tmp_path / "events").read_bytes()))) == 1


def test_a_step_is_read_as_it_was_written():
    for step in (0, 1, 127, 128, 300, 16384, 2**40):
        assert event_file._step(event("loss", 1.0, step, 1.0)[12:-4]) == step

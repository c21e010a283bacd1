"""Markers of a JPEG file: those that no encoder writes show a damage that OpenCV's decoder passes over."""

import re

START_OF_SCAN, END = 0xDA, b"\xff\xd9"
FIRST_SEGMENT = 2  # after the marker of the file's start
PROGRESSIVE = 0xC2
# Not: escaped bytes and restarts within a scan; between the scans of a progressive file also tables and further scans
AFTER_SCAN = re.compile(rb"\xff(?![\x00\xd0-\xd7\xff])")
AFTER_SCANS = re.compile(rb"\xff(?![\x00\xd0-\xd7\xff\xc4\xda\xdd\xe0-\xef\xfe])")


def has_expected_markers(content):
    """Whether the first marker in a JPEG's scans that is not one of theirs is the end of the image.

    Args:
        content: bytes of the file.
    """
    start, is_progressive = _first_scan(content)
    if start is None:
        return False
    # Of a file with one scan and no restarts, which most are, all are escaped bytes but the end
    if content.count(b"\xff", start) - content.count(b"\xff\x00", start) == 1:
        return content.rfind(END) >= start
    marker = (AFTER_SCANS if is_progressive else AFTER_SCAN).search(content, start)
    return marker is not None and content.startswith(END, marker.start())


def _first_scan(content):
    """Returns (position after the header of the first scan or None if no segment leads there, is progressive)."""
    position, is_progressive = FIRST_SEGMENT, False
    while content[position : position + 1] == b"\xff" and position + 4 <= len(content):
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4])
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        is_progressive |= marker == PROGRESSIVE
        position += 2 + length
        if marker == START_OF_SCAN:
            return position, is_progressive
    return None, is_progressive

"""The Pico in a box."""

from tests.bench.box_fixture import box_parts, pico_box

__all__ = ["box_parts", "pico_box"]

"""What all tests share: the conformance marks."""

from tests.conformance.plugin import pytest_addoption, pytest_configure

__all__ = ["pytest_addoption", "pytest_configure"]

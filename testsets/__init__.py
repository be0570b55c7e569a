"""Test sets: what is to be spoken, by whom, and the recording it is measured against."""

from ttsbench.testsets.catalogue import listing
from ttsbench.testsets.faults import Fault, TestSetError
from ttsbench.testsets.loaders import criteria, load, mapped, outputs, split

__all__ = ["Fault", "TestSetError", "criteria", "listing", "load", "mapped", "outputs", "split"]

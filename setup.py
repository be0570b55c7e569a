"""The folders that are sub-packages of ttsbench although they lie beside it; all else is in pyproject.toml.

In a checkout links inside ttsbench/ point to them, which tools that read files want. Installing and running need none:
on systems without links git writes a small text file in place of each.
"""

from setuptools import find_namespace_packages, setup

FOLDERS = ("systems", "testsets", "metrics", "reports")
WITHIN = [f"ttsbench.{folder}" for folder in FOLDERS]
NOT_PACKAGES = ["*__pycache__*"]
NOT_OWN = [*NOT_PACKAGES, *(f"{each}*" for each in WITHIN)]

own = find_namespace_packages(include=["ttsbench", "ttsbench.*"], exclude=NOT_OWN)
beside = [
    f"ttsbench.{folder}.{name}" for folder in FOLDERS for name in find_namespace_packages(folder, exclude=NOT_PACKAGES)
]
setup(
    packages=[*own, *WITHIN, *beside],
    package_dir={"ttsbench": "ttsbench", **dict(zip(WITHIN, FOLDERS, strict=True))},
)

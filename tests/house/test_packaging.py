"""What is installed is all that there is: packages with their `__init__`, and the files that are read at run time."""

from pathlib import Path

from setuptools import find_packages

CORE = Path(__file__).resolve().parents[2] / "core"


def test_every_folder_with_code_is_a_package():
    packages = set(find_packages(str(CORE)))
    folders = {
        ".".join(file.parent.relative_to(CORE).parts)
        for file in CORE.glob("nemeton/**/*.py")
        if "templates" not in file.parts
    }
    assert folders == packages


def test_every_package_says_what_it_is_for():
    silent = [
        str(file.relative_to(CORE)) for file in CORE.glob("nemeton/**/__init__.py") if not file.read_text().strip()
    ]
    assert not silent

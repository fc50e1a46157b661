"""Tests are laid out as CONTRIBUTING.md describes: each package has one folder of tests, which mirrors it."""

from pathlib import PurePosixPath

from local_stack.environment import ROOT
from tests.documents.names import Tree

FILES = [PurePosixPath(name) for name in Tree(ROOT, (), (), (), (), ()).files]
TESTS = [path for path in FILES if path.name.startswith("test_") and path.suffix == ".py"]


def test_a_package_has_one_folder_of_tests() -> None:
    assert len(TESTS) > 100
    assert not [str(path) for path in TESTS if path.parts[0] != "tests" and path.parts[1] != "tests"]
    assert not [str(path) for path in TESTS if "tests" in path.parts[2:]]


def test_the_folder_mirrors_the_package() -> None:
    folders = {path.parent for path in TESTS if path.parts[0] != "tests" and len(path.parts) > 3}
    assert folders
    assert not [
        str(folder)
        for folder in folders
        if not ROOT.joinpath(folder.parts[0], *folder.parts[2:], "__init__.py").is_file()
    ]

"""Revisions of external models: which changes of which files change them."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from external_models import MODEL

import zoo


def test_a_change_of_the_source_or_of_a_base_class_changes_the_revision(module, tmp_path):
    def revision(name, text, of="Model"):
        (tmp_path / f"{name}.py").write_text(text)
        return zoo.adopt(f"{name}:{of}").revision

    child = f"from {module} import Plain\nclass Model(Plain):\n    pass\n"
    first = revision(f"{module}_a", child)
    assert first == revision(f"{module}_b", child)
    assert first != revision(f"{module}_c", child + "# another\n")
    (tmp_path / f"{module}_base.py").write_text(MODEL + "\n# another\n")
    assert first != revision(f"{module}_d", child.replace(module, f"{module}_base"))
    assert 0 < first < 2**48


def reimport(name):
    """Import a model again, as another process would."""
    for loaded in [*sys.modules]:
        if loaded.startswith("stranger_") or loaded in ("mine_helper", "mine_late", "mine", "mine.part"):
            sys.modules.pop(loaded)
    return zoo.adopt(name)


def test_a_change_of_an_imported_local_module_changes_the_revision(module, tmp_path):
    (tmp_path / "mine").mkdir()  # a package without an __init__.py
    files = {name: tmp_path / name for name in ("mine_helper.py", "mine_late.py", "mine/part.py", "mine_other.py")}
    for path in files.values():
        path.write_text("A = 1\n")
    files["mine_helper.py"].write_text("from mine import part\n")
    late = "\ndef later():\n    import mine_late\n"
    (tmp_path / f"{module}.py").write_text(MODEL + "\nimport mine_helper\n" + late)
    first = reimport(f"{module}:Plain").revision
    assert reimport(f"{module}:Plain").revision == first
    found = {first}
    for name, path in files.items():
        path.write_text(path.read_text() + "B = 2\n")
        found.add(reimport(f"{module}:Plain").revision)
        assert (len(found) - 1) == min([*files].index(name) + 1, 3), name  # nobody imports mine_other


def test_the_revision_does_not_depend_on_other_imported_models(module, tmp_path):
    """A worker process may import only one of several models."""
    (tmp_path / f"{module}_b.py").write_text(f"from {module} import Plain\nclass Model(Plain):\n    pass\n")
    alone = reimport(f"{module}:Plain").revision
    reimport(f"{module}_b:Model")
    assert zoo.adopt(f"{module}:Plain").revision == alone


def test_a_revision_of_a_zoo_model_changes_the_revision_of_its_subclasses(module, tmp_path, monkeypatch):
    (tmp_path / f"{module}_b.py").write_text("from zoo.glf import GLF\nclass Model(GLF):\n    pass\n")
    names = f"{module}:Plain", f"{module}_b:Model"
    before = [zoo.adopt(name).revision for name in names]
    monkeypatch.setitem(zoo.MODELS, "one-more-variant", zoo.MODELS["glf"])
    assert [zoo.adopt(name).revision for name in names] == before
    monkeypatch.setitem(zoo.MODELS, "glf", replace(zoo.MODELS["glf"], revision=1000))
    after = [zoo.adopt(name).revision for name in names]
    assert after[0] == before[0]
    assert after[1] != before[1]


@pytest.mark.parametrize("edited", ["", "_helper"])
def test_a_file_that_changed_after_its_import_is_an_error(module, tmp_path, edited):
    (tmp_path / f"{module}_helper.py").write_text("A = 1\n")
    (tmp_path / f"{module}.py").write_text(MODEL + f"\nimport {module}_helper\n")
    first = zoo.adopt(f"{module}:Plain")
    assert zoo.adopt(f"{module}:Plain").revision == first.revision
    with (tmp_path / f"{module}{edited}.py").open("a") as file:
        file.write("# another\n")
    with pytest.raises(ValueError, match=f"{module}{edited} has changed since it was imported: start Python again"):
        zoo.adopt(f"{module}:Plain")
    assert reimport(f"{module}:Plain").revision != first.revision


def test_a_module_in_the_given_folder_shadows_other_modules_of_its_name(module, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / f"{module}.py").write_text("class Plain:\n    pass\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "elsewhere"), *sys.path, str(tmp_path)])
    monkeypatch.chdir("/")  # as a job on a node
    assert zoo.adopt(f"{module}:Plain", folder=tmp_path).code == str(tmp_path)


def test_a_symbolic_link_is_imported_by_the_name_of_the_link(module, tmp_path, monkeypatch):
    (tmp_path / "store").mkdir()
    (tmp_path / f"{module}.py").rename(tmp_path / "store" / "version_3.py")
    (tmp_path / f"{module}.py").symlink_to(tmp_path / "store" / "version_3.py")
    row = zoo.adopt(f"{module}:Plain")
    assert row.code == str(tmp_path)
    monkeypatch.chdir("/")
    sys.modules.pop(module)
    assert zoo.adopt(f"{module}:Plain", folder=Path(row.code)).revision == row.revision

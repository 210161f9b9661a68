"""Reading registries of official files: what is wrong is said with its place; and the registry of weights."""

import inspect
from pathlib import Path

import pytest
import yaml

from benchmark.data import files as module
from benchmark.data.files import Limit, needed, read_registry
from benchmark.errors import InputError

MD5, SHA256 = "0123456789abcdef" * 2, "0123456789abcdef" * 4
WEIGHTS = Path(module.__file__).parents[1] / "weights.yaml"


def entry(**changes):
    """A valid data set with some keys changed; those changed to None are left out."""
    fields = {
        "name": "bells",
        "title": "Bells",
        "holds": "12 clips",
        "licence": "CC0",
        "citation": "Ringer 2018",
        "source": "their page",
        "folder": "bells",
        "limit": {"files": 20, "bytes": 5000},
        "record": "https://example.org/api/records/7",
        "files": [{"name": "bells.zip", "bytes": 4000, "md5": MD5}],
    }
    return {key: value for key, value in (fields | changes).items() if value is not None}


@pytest.fixture
def read(tmp_path):
    def read(*entries):
        path = tmp_path / "files.yaml"
        path.write_text(yaml.safe_dump(list(entries)))
        return read_registry(path)

    return read


def refused(read, *entries):
    with pytest.raises(InputError) as error:
        read(*entries)
    return str(error.value)


def test_a_file_takes_folder_and_address_from_its_data_set(read):
    (dataset,) = read(entry(files=[{"name": "bells.zip"}, {"name": "list.csv", "folder": "bells/lists"}]))
    archive, listing = dataset.files
    assert archive.folder == "bells" and listing.folder == "bells/lists"
    assert archive.urls == ("https://example.org/api/records/7/files/bells.zip/content",)
    assert archive.is_archive and not listing.is_archive
    assert not archive.is_known and archive.size is None
    assert dataset.limit == Limit(20, 5000) and dataset.protocols == ()


def test_an_address_of_its_own_comes_first_and_mirrors_follow(read):
    own = {"name": "a.csv", "url": "https://a.org/a.csv", "mirrors": ["https://b.org/a.csv"], "sha256": SHA256}
    ((file,),) = [dataset.files for dataset in read(entry(files=[own]))]
    assert file.urls == ("https://a.org/a.csv", "https://b.org/a.csv")
    assert file.is_known


def test_a_rounded_size_counts_where_no_exact_one_is_known(read):
    (dataset,) = read(entry(files=[{"name": "a.zip", "about": 2000}, {"name": "b.zip", "bytes": 0, "about": 9}]))
    assert [file.size for file in dataset.files] == [2000, 0]


def test_needed_goes_by_protocol(read):
    datasets = read(entry(), entry(name="night", files=[{"name": "night.zip"}], protocols=["challenge"]))
    assert [dataset.name for dataset in needed(datasets, "fold")] == ["bells"]
    assert [dataset.name for dataset in needed(datasets, "challenge")] == ["bells", "night"]
    assert [dataset.name for dataset in needed(datasets, "all")] == ["bells", "night"]


def test_an_unknown_key_is_named_with_the_nearest_one(read):
    message = refused(read, entry(), entry(name="b", licens="CC0"))
    assert "unknown key 'licens'" in message and "entry 2" in message and "licence" in message
    assert "unknown key 'md4'" in refused(read, entry(files=[{"name": "a.zip", "md4": MD5}]))
    assert "unknown key 'clips'" in refused(read, entry(limit={"files": 1, "bytes": 1, "clips": 1}))


@pytest.mark.parametrize("key", ["name", "licence", "citation", "source", "folder", "limit", "files"])
def test_a_missing_key_is_named(read, key):
    assert f"missing: {key}" in refused(read, entry(**{key: None}))


@pytest.mark.parametrize(
    ("key", "value"),
    [("md5", MD5[:-1]), ("md5", SHA256), ("sha256", MD5), ("md5", MD5.upper()), ("sha256", "g" * 64), ("md5", 7)],
)
def test_a_hash_must_be_one(read, key, value):
    message = refused(read, entry(files=[{"name": "a.zip", key: value}]))
    assert f"{key} must be" in message and "entry 1, file 1" in message


@pytest.mark.parametrize("folder", ["/etc", "../up", "bells/../../up", "bells\\up"])
def test_a_folder_must_stay_below_the_data_root(read, folder):
    assert "leaves the data root" in refused(read, entry(folder=folder))
    assert "leaves the data root" in refused(read, entry(files=[{"name": "a.zip", "folder": folder}]))


@pytest.mark.parametrize("name", ["../a.zip", "/a.zip", "..", "sub/a.zip"])
def test_a_file_name_must_be_a_name(read, name):
    assert name in refused(read, entry(files=[{"name": name}]))


def test_two_files_of_one_place_are_refused(read):
    twice = [{"name": "a.zip"}, {"name": "a.zip"}]
    assert "two files are called bells/a.zip" in refused(read, entry(files=twice))
    assert "two files are called bells/bells.zip" in refused(read, entry(), entry(name="other"))
    assert len(read(entry(), entry(name="other", folder="other"))) == 2


def test_two_data_sets_of_one_name_are_refused(read):
    assert "two data sets are called bells" in refused(read, entry(), entry(folder="other"))


def test_a_file_needs_an_address(read):
    assert "needs an address" in refused(read, entry(record=None))


@pytest.mark.parametrize("text", ["- name: [", "name: bells", "just words", "- just words", ""])
def test_what_is_no_list_of_data_sets_is_refused(tmp_path, text):
    path = tmp_path / "files.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_registry(path)
    assert str(path) in str(error.value)


def test_a_registry_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml"):
        read_registry(tmp_path / "none.yaml")


def test_weights_go_where_they_are_loaded_from():
    datasets = read_registry(WEIGHTS)
    assert {file.folder for dataset in datasets for file in dataset.files} == {"weights"}
    assert all(dataset.limit == Limit(0, 0) for dataset in datasets)  # nothing is unpacked
    assert all(dataset.licence and dataset.citation and dataset.source for dataset in datasets)
    hashes = [value for dataset in datasets for file in dataset.files for value in (file.md5, file.sha256) if value]
    assert len(set(hashes)) == len(hashes)


def test_the_files_that_vggish_asks_for_are_among_the_weights():
    from benchmark.backbones.vggish import VGGish

    names = {file.name for dataset in read_registry(WEIGHTS) for file in dataset.files}
    asked_for = inspect.signature(VGGish.__init__).parameters
    assert {asked_for["weights"].default, asked_for["pca"].default} <= names


@pytest.mark.slow
def test_imagenet_weights_have_timms_names_and_sizes():
    import timm
    import torch

    files = [file for dataset in read_registry(WEIGHTS) for file in dataset.files if file.name.endswith(".safetensors")]
    assert len(files) == 9
    for file in files:
        name = file.name.removesuffix(".safetensors")
        assert f"https://huggingface.co/timm/{name}/resolve/" in file.urls[0]
        with torch.device("meta"):
            network = timm.create_model(name)
        size = sum(tensor.nbytes for tensor in network.state_dict().values())
        assert file.size == pytest.approx(size, rel=0.005), name

"""The site as files: complete, replaced as a whole, and with text where records have html."""

import re
from html.parser import HTMLParser

import pytest
from pages import put
from site_runs import put_bad, put_hostile

import leaderboard.__main__ as command_line
from benchmark.errors import InputError
from benchmark.registry import all_tasks, get_task
from leaderboard.site.build import write_site


@pytest.fixture
def two_tasks(monkeypatch):
    """A site of two tasks, which is written sooner."""
    found = {name: get_task(name) for name in ("bad", "esc")}
    monkeypatch.setattr("leaderboard.site.build.all_tasks", lambda: found)
    return found


class Page(HTMLParser):
    """The tags of a page, its links, and the text of its scripts."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.links, self.ids = [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append((tag, found))
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.ids += [found["id"]] if "id" in found else []


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A site without any run."""
    root = tmp_path_factory.mktemp("empty")
    assert write_site(root / "site", root / "records", root / "runs") == []
    return root / "site"


def test_without_runs_published_rows_and_the_first_command(empty):
    index = (empty / "index.html").read_text()
    assert "make bench TASK=asc &amp;&amp; make site" in index
    assert "no run yet" in index
    for name, task in all_tasks().items():
        page = (empty / "tasks" / f"{name}.html").read_text()
        assert f"make bench TASK={name}" in page
        assert "Published scores" in page
        assert all((empty / "systems" / name / f"{system}.html").is_file() for system in task.systems)
    assert not (empty / "runs").exists()


def test_a_system_has_the_facts_of_its_card(empty):
    page = (empty / "systems" / "bad" / "bulbul.html").read_text()
    for fact in ("373,009", "Grill", "EUSIPCO", "official baseline", "make bench TASK=bad SYSTEM=bulbul"):
        assert fact in page


def test_every_link_leads_somewhere_and_no_id_stands_twice(tmp_path, two_tasks):
    put_bad(tmp_path / "runs")
    write_site(tmp_path / "site", tmp_path / "records", tmp_path / "runs")
    pages = list((tmp_path / "site").rglob("*.html"))
    for path in pages:
        page = Page(path)
        assert len(page.ids) == len(set(page.ids)), path
        for link in page.links:
            if link.startswith("#"):
                assert link[1:] in page.ids
            elif not re.match(r"https?:|data:", link):
                assert (path.parent / link.partition("#")[0]).resolve().is_file(), (path, link)
    assert len(pages) == 1 + len(two_tasks) + sum(len(task.systems) for task in two_tasks.values()) + 1


def test_nothing_is_loaded_from_elsewhere(empty):
    for path in empty.rglob("*.html"):
        for tag, attributes in Page(path).tags:
            source = attributes.get("src") or (attributes.get("href") if tag == "link" else None) or ""
            assert not source.startswith(("http", "//")), (path, source)


def test_html_of_records_is_text(tmp_path, two_tasks):
    folder = put_hostile(tmp_path / "runs")
    (tmp_path / "runs" / "bad" / "broken" / "<b>broken<b>").mkdir(parents=True)
    (tmp_path / "runs" / "bad" / "broken" / "<b>broken<b>" / "record.json").write_text("{")
    assert len(write_site(tmp_path / "site", tmp_path / "records", tmp_path / "runs")) == 1
    assert folder.is_dir()
    pages = list((tmp_path / "site").rglob("*.html"))
    assert any("&lt;img src=x" in path.read_text() for path in pages)
    for path in pages:
        tags = Page(path).tags
        assert {tag for tag, _ in tags}.isdisjoint({"img", "b"}), path
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")], path
        scripts = [attributes for tag, attributes in tags if tag == "script"]
        assert all("src" in script or script["type"] == "application/json" for script in scripts), path
        assert path.resolve().is_relative_to(tmp_path / "site")


def test_an_older_site_is_replaced_as_a_whole(tmp_path, two_tasks):
    folder = put_bad(tmp_path / "runs")
    out = tmp_path / "runs" / "site"
    write_site(out, tmp_path / "records", tmp_path / "runs")
    assert len(list((out / "runs").rglob("*.html"))) == 1
    folder.rename(tmp_path / "elsewhere")
    write_site(out, tmp_path / "records", tmp_path / "runs")
    assert not (out / "runs").exists()
    assert sorted(path.name for path in out.parent.iterdir()) == ["bad", "site"]


def test_another_folder_is_not_replaced(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="something else"):
        write_site(tmp_path / "site", tmp_path / "records", tmp_path / "runs")
    assert (tmp_path / "site" / "thesis.tex").read_text() == "years of work"


def test_a_failure_leaves_the_older_site(tmp_path, monkeypatch, two_tasks):
    write_site(tmp_path / "site", tmp_path / "records", tmp_path / "runs")
    before = (tmp_path / "site" / "index.html").read_bytes()
    put(tmp_path / "runs")
    monkeypatch.setattr("leaderboard.site.build.run_context", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_site(tmp_path / "site", tmp_path / "records", tmp_path / "runs")
    assert (tmp_path / "site" / "index.html").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "site"]


def test_the_command(tmp_path, monkeypatch, capsys, two_tasks):
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "runs"))
    put(tmp_path / "runs", id="half").write_text("{")
    assert command_line.main(["site"]) == 0
    found = capsys.readouterr()
    assert found.out == f"{tmp_path}/runs/site/index.html\n"
    assert "half" in found.err
    assert command_line.main(["site", "--out", str(tmp_path / "runs" / "bad")]) == 2
    assert "something else" in capsys.readouterr().err

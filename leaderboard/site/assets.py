"""Files that every page shares: our own style and scripts, and the libraries that the package manager brought."""

import base64
from importlib.resources import files
from pathlib import Path

OWN = files("leaderboard.site") / "static"
PLOTS = files("plotly") / "package_data" / "plotly.min.js"
TABLES = files("itables") / "html"


def write_assets(folder: Path) -> None:
    """Copy them into `folder`.

    The library of tables is an ES module, which a page cannot import from a file beside it when it is opened without a
    server; so it becomes a script that imports it from a data address.
    """
    folder.mkdir(parents=True)
    for file in OWN.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "plotly.min.js").write_bytes(PLOTS.read_bytes())
    (folder / "datatables.css").write_bytes((TABLES / "dt_bundle.css").read_bytes())
    module = base64.b64encode((TABLES / "dt_bundle.js").read_bytes()).decode()
    script = f'window.tablesLibrary = import("data:text/javascript;base64,{module}");\n'
    (folder / "datatables.js").write_text(script, encoding="utf-8")

// Sorting, searching and filtering of tables, by DataTables.
"use strict";
(async () => {
  const tables = document.querySelectorAll("table.sortable");
  if (!tables.length) return;
  const { default: DataTable } = await window.tablesLibrary;
  // Cells without a number come last, whichever way.
  const number = (text) => (text === "" || !Number.isFinite(Number(text)) ? null : Number(text));
  const compare = (sign) => (a, b) => {
    const [x, y] = [number(a), number(b)];
    if (x === null || y === null) return (x === null) - (y === null);
    return sign * (x - y);
  };
  DataTable.type("quantity", { order: { asc: compare(1), desc: compare(-1) } });

  for (const table of tables) {
    const heads = [...table.tHead.rows[0].cells];
    const long = table.tBodies[0].rows.length > 40;
    const grid = new DataTable(table, {
      autoWidth: false,
      paging: long,
      pageLength: 25,
      order: [],
      layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: long ? "paging" : null },
      columns: heads.map((head) => ({
        type: head.classList.contains("number") ? "quantity" : "string",
        orderSequence: "falls" in head.dataset ? ["desc", "asc", ""] : ["asc", "desc", ""],
      })),
    });
    const tools = table.closest(".table-box").querySelector(".tools");
    if (!tools) continue;
    const count = tools.querySelector(".count");
    const search = tools.querySelector("[data-search]");
    const filters = [...tools.querySelectorAll("[data-filter]")];
    const chosen = {};
    for (const select of filters) {
      const place = Number(select.dataset.column);
      const values = new Set(grid.column(place).nodes().toArray().map((cell) => cell.textContent.trim()));
      for (const value of [...values].sort()) select.add(new Option(value, value));
      select.parentElement.hidden = values.size < 2;
      select.addEventListener("change", () => {
        chosen[place] = select.value;
        grid.draw();
      });
    }
    grid.search.fixed("filters", (_text, _data, row) =>
      Object.entries(chosen).every(
        ([place, value]) => !value || grid.cell(row, Number(place)).node().textContent.trim() === value,
      ),
    );
    search.addEventListener("input", () => grid.search(search.value).draw());
    const say = () => {
      const { recordsDisplay, recordsTotal } = grid.page.info();
      count.textContent = recordsDisplay === recordsTotal ? `${recordsTotal} rows` : `${recordsDisplay} of ${recordsTotal} rows`;
    };
    grid.on("draw", say);
    say();
    tools.hidden = false;
  }
  document.documentElement.dataset.tables = "ready";
})();

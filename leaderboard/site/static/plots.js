// Plots of the page's data, by Plotly; each is drawn when it comes into view, and again when the colours change.
"use strict";
(() => {
  // Okabe and Ito: told apart by people with any colour vision.
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#7f7f7f", "#6a51a3", "#b2182b"];
  const BRIGHT = ["#56b4e9", "#f08a4b", "#3cc79a", "#e79ac4", "#f0bd45", "#8ea6ff", "#c9a85c", "#b5bcc4", "#b39ddb", "#ef8a8a"];
  const SHOWN = 10;
  // Plotly reads some html in texts.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text, most = 24) => plain(text.length > most ? `${text.slice(0, most - 1)}…` : text);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const digits = (value) => (value === null || value === undefined ? "undefined" : value.toFixed(3));
  const shades = () => [
    [0, style("--shade-0")],
    [0.5, style("--shade-1")],
    [1, style("--shade-2")],
  ];
  const names = (labels) => ({ tickvals: labels.map((_, place) => place), ticktext: labels.map((label) => short(label)) });

  const COSTS = { parameters: "parameters", macs: "MACs", train: "training time" };

  const kinds = {
    scatter: {
      choices: (data) => ["Cost", Object.entries(COSTS).filter(([key]) => data.points.some((point) => point[key]))],
      draw(data, choice) {
        const points = data.points.filter((point) => point[choice]);
        const sizes = points.map((point) => Math.log(point[choice]));
        const middle = (Math.min(...sizes) + Math.max(...sizes)) / 2;
        const origins = [...new Set(points.map((point) => point.origin))];
        const traces = origins.map((origin) => {
          const mine = points.filter((point) => point.origin === origin);
          const ends = (place, sign) => mine.map((p) => (p.interval ? sign * (p.interval[place] - p.score) : 0));
          return {
            type: "scatter",
            mode: points.length > 15 ? "markers" : "markers+text",
            name: plain(origin),
            x: mine.map((point) => point[choice]),
            y: mine.map((point) => point.score),
            text: mine.map((point) => short(point.name)),
            textposition: mine.map((point) => (Math.log(point[choice]) > middle ? "middle left" : "middle right")),
            marker: { size: 10, symbol: origin === "committed" ? "diamond" : "circle" },
            error_y: { type: "data", array: ends(1, 1), arrayminus: ends(0, -1), thickness: 1.2, width: 3 },
            hovertemplate: mine.map((p) => `${plain(p.name)}<br>${plain(data.score)} ${digits(p.score)}<br>${p[choice].toLocaleString("en")}<extra></extra>`),
            cliponaxis: false,
          };
        });
        return {
          traces,
          layout: {
            height: 380,
            xaxis: { type: "log", title: { text: plain(data.costs[choice]) }, exponentformat: "SI", dtick: spansDecades(points.map((p) => p[choice])) ? 1 : undefined },
            yaxis: { title: { text: plain(data.score) } },
            legend: { orientation: "h", y: -0.22 },
            showlegend: origins.length > 1,
          },
        };
      },
      table: (data) => [
        ["system", "origin", data.score, "interval", ...Object.values(COSTS)],
        data.points.map((p) => [p.name, p.origin, digits(p.score), p.interval ? p.interval.map(digits).join(" to ") : "–", ...Object.keys(COSTS).map((key) => p[key]?.toLocaleString("en") ?? "–")]),
      ],
    },
    heatmap: {
      choices: (data) => ["Score", data.tables.map((table) => [table.name, table.name])],
      draw(data, choice, width) {
        const table = data.tables.find((one) => one.name === choice);
        return matrix(width, table.rows, table.columns, table.values, (value) => value.toFixed(2), "class", "");
      },
      table(data, choice) {
        const table = data.tables.find((one) => one.name === choice);
        return [["system", ...table.columns], table.rows.map((name, row) => [name, ...table.values[row].map(digits)])];
      },
    },
    confusion: {
      choices: () => ["Cells", [["shares", "share of the true class"], ["counts", "clips"]]],
      draw(data, choice, width) {
        const totals = data.counts.map((row) => Math.max(1, row.reduce((sum, count) => sum + count, 0)));
        const shares = data.counts.map((row, place) => row.map((count) => count / totals[place]));
        const counting = choice === "counts";
        return matrix(width, data.classes, data.classes, counting ? data.counts : shares, (value) => (value ? (counting ? String(value) : (100 * value).toFixed(0)) : ""), "taken for", "true class", counting ? null : 1);
      },
      table: (data) => [["true class", ...data.classes], data.counts.map((row, place) => [data.classes[place], ...row])],
    },
    losses: lines("losses", "loss"),
    scores: lines("scores", "score"),
    roc: detection("roc", "auc", "AUC", ["false positive rate", "true positive rate"]),
    pr: detection("pr", "average_precision", "AP", ["recall", "precision"]),
  };

  function spansDecades(values) {
    return Math.max(...values) / Math.min(...values) >= 10;
  }

  function matrix(width, rows, columns, values, write, across, down, top = 1) {
    const fits = (width - 260) / columns.length > 16;
    const trace = {
      type: "heatmap",
      z: values,
      zmin: 0,
      ...(top === null ? {} : { zmax: top }),
      colorscale: shades(),
      xgap: 1,
      ygap: 1,
      hoverongaps: false,
      customdata: rows.map((row) => columns.map((column) => `${short(row, 40)} → ${short(column, 40)}`)),
      hovertemplate: "%{customdata}<br>%{z:.4~g}<extra></extra>",
      colorbar: { thickness: 10, outlinewidth: 0, len: 0.9 },
    };
    const most = top ?? Math.max(1, ...values.flat());
    const cells = values.flatMap((row, y) => row.map((value, x) => ({ x, y, value }))).filter(({ value }) => fits && value !== null);
    const texts = {
      type: "scatter",
      mode: "text",
      x: cells.map(({ x }) => x),
      y: cells.map(({ y }) => y),
      text: cells.map(({ value }) => write(value)),
      textfont: { size: 11, color: cells.map(({ value }) => style(value / most > 0.55 ? "--on-shade" : "--ink")) },
      hoverinfo: "skip",
      showlegend: false,
    };
    const size = 110 + rows.length * (rows.length > 20 ? 16 : 28);
    return {
      traces: [trace, texts],
      layout: {
        height: size + 60,
        xaxis: { ...names(columns), tickangle: columns.length > 20 ? -90 : columns.length > 4 ? -45 : 0, title: { text: across }, range: [-0.5, columns.length - 0.5], showgrid: false, zeroline: false },
        yaxis: { ...names(rows), range: [rows.length - 0.5, -0.5], title: down ? { text: down } : undefined, showgrid: false, zeroline: false },
      },
    };
  }

  function lines(key, title) {
    return {
      choices: (data) => ["Training", data.length > 1 ? data.map((training, place) => [String(place), training.name]) : []],
      draw: (data, choice) => ({
        traces: data[Number(choice || 0)][key].map((series) => ({
          type: "scatter",
          mode: series.x.length > 40 ? "lines" : "lines+markers",
          name: plain(series.name),
          x: series.x,
          y: series.y,
          line: { width: 2 },
        })),
        layout: { height: 320, xaxis: { title: { text: "step" } }, yaxis: { title: { text: title } }, showlegend: true },
      }),
      table: (data, choice) => [
        ["", "points", "first", "last", "lowest", "highest"],
        data[Number(choice || 0)][key].map(({ name, y }) => [name, y.length, ...[y[0], y.at(-1), Math.min(...y), Math.max(...y)].map(digits)]),
      ],
    };
  }

  function detection(key, area, label, [across, up]) {
    return {
      choices: () => ["", []],
      draw: (data) => ({
        traces: [
          ...data.map((curve, place) => ({
            type: "scatter",
            mode: "lines",
            name: `${short(curve.name)} ${digits(curve[area])}`,
            x: curve[key][0],
            y: curve[key][1],
            line: { width: 2, shape: key === "pr" ? "hv" : "linear" },
            visible: place < SHOWN ? true : "legendonly",
          })),
          ...(key === "roc" ? [{ type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], line: { width: 1, dash: "dot", color: style("--quiet") }, hoverinfo: "skip", showlegend: false }] : []),
        ],
        layout: {
          height: 360 + 24 * Math.ceil(data.length / 2),
          xaxis: { title: { text: across }, range: [0, 1.005] },
          yaxis: { title: { text: up }, range: [0, 1.02] },
          legend: { orientation: "h", y: -0.2, title: { text: `${label}  ` } },
          showlegend: true,
        },
      }),
      table: (data) => [["", "positive clips", "clips", label], data.map((curve) => [curve.name, curve.positive, curve.clips, digits(curve[area])])],
    };
  }

  const apart = (axis) => (axis?.title ? { ...axis, title: { ...axis.title, standoff: 12 } } : axis);

  function themed(layout, width) {
    const ink = style("--ink");
    const axis = { gridcolor: style("--line"), linecolor: style("--line"), zerolinecolor: style("--line"), tickcolor: style("--line"), automargin: true };
    const narrow = width < 560;
    return {
      ...layout,
      autosize: true,
      margin: { l: 56, r: narrow ? 8 : 16, t: 12, b: 48 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      colorway: document.documentElement.classList.contains("dark") ? BRIGHT : COLOURS,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: ink },
      hoverlabel: { bgcolor: style("--raised"), bordercolor: style("--line"), font: { color: ink }, namelength: -1 },
      xaxis: { ...axis, ...apart(layout.xaxis) },
      yaxis: { ...axis, ...apart(layout.yaxis) },
      legend: { ...layout.legend, ...(narrow ? { orientation: "h", y: -0.25 } : {}) },
    };
  }

  function fill(box, [head, rows]) {
    const table = document.createElement("table");
    table.className = "data";
    const line = (parent, cells, first, scope) => {
      const row = parent.insertRow();
      cells.forEach((text, place) => {
        const cell = document.createElement(scope === "col" || place === 0 ? "th" : "td");
        if (cell.tagName === "TH") cell.scope = scope;
        cell.textContent = text;
        cell.className = place ? "number" : "text";
        row.append(cell);
      });
    };
    line(table.createTHead(), head, true, "col");
    const body = table.createTBody();
    for (const row of rows) line(body, row, false, "row");
    box.replaceChildren(table);
  }

  for (const figure of document.querySelectorAll("figure.plot")) {
    const data = JSON.parse(figure.querySelector("script").textContent);
    const kind = kinds[figure.dataset.kind];
    const area = figure.querySelector(".plot-area");
    const details = figure.querySelector("details");
    const [label, choices] = kind.choices(data);
    let choice = choices[0]?.[0];
    let drawn = false;
    const draw = () => {
      const { traces, layout } = kind.draw(data, choice, area.clientWidth);
      Plotly.react(area, traces, themed(layout, area.clientWidth), {
        responsive: true,
        displaylogo: false,
        modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      });
      drawn = true;
      figure.dataset.drawn = "yes";
      if (details.open) fill(details.querySelector("div"), kind.table(data, choice));
    };
    if (choices.length > 1) {
      const select = document.createElement("select");
      for (const [value, text] of choices) select.add(new Option(text, value));
      select.addEventListener("change", () => {
        choice = select.value;
        draw();
      });
      const box = document.createElement("label");
      box.append(`${label} `, select);
      figure.querySelector(".plot-controls").append(box);
    }
    details.addEventListener("toggle", () => details.open && fill(details.querySelector("div"), kind.table(data, choice)));
    const watch = new IntersectionObserver(
      ([entry]) => {
        if (entry.isIntersecting && !drawn) {
          watch.disconnect();
          draw();
        }
      },
      { rootMargin: "300px" },
    );
    watch.observe(area);
    addEventListener("themechange", () => drawn && draw());
  }
})();

"use strict";
/*
 * Draws the page from lab.json. A chart says by its kind what draws it: lines, heatmap, paths, bars
 * or table. Colours are Okabe and Ito's, which the colour-blind can tell apart; curves differ by
 * their dashes too.
 */
(() => {
  const lab = JSON.parse(document.getElementById("lab").textContent);
  const timings = JSON.parse(document.getElementById("timings").textContent);

  const ON_LIGHT = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7f7f7f"];
  const ON_DARK = ["#56b4e9", "#f0883e", "#2fc49a", "#e08ec0", "#f0e442", "#9fd6ff", "#c8a46a", "#b8b8b8"];
  const DASHES = ["", "7 4", "2 3", "10 3 2 3", "5 2", "1 2", "12 4", "3 6"];
  const ZONES = {"too low": "var(--zone-low)", "too high": "var(--zone-high)"};
  const MAX_TABLE_ROWS = 300;

  // --- Small things

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== false && value != null) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child != null));
    return made;
  }

  /** As many digits as tell values apart: 0.0123, 1.2e-7, 1,234. */
  function number(value) {
    if (value == null) return "–";
    if (typeof value !== "number") return String(value);
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (size >= 1e6 || size < 1e-4) return value.toExponential(1).replace("e+", "e").replace(".0e", "e");
    if (Number.isInteger(value)) return value.toLocaleString("en");
    return String(Number(value.toPrecision(4)));
  }

  /** For a logarithmic axis: powers of ten. */
  function tick(value) {
    const size = Math.abs(value);
    return size >= 1e-4 && size < 1e6 ? String(Number(value.toPrecision(3))) : value.toExponential(0).replace("e+", "e");
  }

  function rowsOf(chart) {
    return chart.rows.map((row) => Object.fromEntries(chart.columns.map((column, i) => [column, row[i]])));
  }

  function distinct(rows, column) {
    return [...new Set(rows.map((row) => row[column]))];
  }

  /** Of the rules, so many are drawn until the reader asks for more. */
  const SHOWN_RULES = 6;

  const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches && !matchMedia("print").matches;

  const colorOf = (i) => (isDark() ? ON_DARK : ON_LIGHT)[i % ON_LIGHT.length];
  const dashOf = (i) => DASHES[i % DASHES.length];

  function sample(i) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("width", 26);
    svg.setAttribute("height", 8);
    svg.innerHTML = `<line x1="0" x2="26" y1="4" y2="4" class="s${i % ON_LIGHT.length}" stroke-width="2.5" stroke-dasharray="${dashOf(i)}"/>`;
    return svg;
  }

  // --- Charts of lines

  /** Powers of ten, and 2 and 5 between them where there are few; Plot labels no others. */
  function logTicks(low, high, most) {
    const powers = d3.range(Math.floor(Math.log10(low)), Math.ceil(Math.log10(high)) + 1);
    const within = (d) => d >= low * 0.999 && d <= high * 1.001;
    for (const steps of high / low < 100 ? [[1, 2, 5], [1]] : [[1]]) {
      const ticks = powers.flatMap((e) => steps.map((m) => Number(`${m}e${e}`))).filter(within);
      if (ticks.length <= most) return ticks;
    }
    const every = Math.ceil(powers.length / most);
    return powers.filter((e) => e % every === 0).map((e) => Number(`1e${e}`)).filter(within);
  }

  function axis(spec, values, most, domain) {
    const common = {label: spec.label, labelAnchor: "center", labelArrow: "none"};
    if (spec.scale !== "log") return {...common, ticks: most, tickFormat: (d) => number(d), domain};
    const [low, high] = domain ?? d3.extent(values.filter((v) => v > 0));
    return {...common, type: "log", domain, ticks: logTicks(low, high, most), tickFormat: tick};
  }

  function drawLines(chart, width) {
    const rows = rowsOf(chart);
    const x = chart.x.column;
    const y = chart.y.column;
    const series = chart.series ? distinct(rows, chart.series) : [null];
    const isLog = chart.y.scale === "log";
    const valid = (v) => v != null && (!isLog || v > 0);
    const [bottom, top] = chart.domain ?? [-Infinity, Infinity];
    const within = (v) => Math.max(bottom, Math.min(top, v));
    const band = chart.band;
    const marks = [];
    const labels = (chart.verticals ?? []).length;
    for (const [i, zone] of (chart.zones ?? []).entries()) {
      const color = ZONES[zone.label] ?? "var(--zone-right)";
      marks.push(Plot.rect([zone], {x1: "from", x2: "to", fill: color, fillOpacity: 0.13}));
      marks.push(Plot.text([zone], {
        x: (d) => chart.x.scale === "log" ? Math.sqrt(d.from * d.to) : (d.from + d.to) / 2,
        // A single zone is where the curve is lowest, so its name goes above.
        ...(chart.zones.length === 1 ? {frameAnchor: "top", dy: 6} : {frameAnchor: "bottom", dy: width < 560 ? -6 - 15 * i : -6}), text: "label", fontWeight: 600, fill: "currentColor", fillOpacity: 0.75,
      }));
    }
    for (const line of chart.horizontals ?? []) {
      marks.push(Plot.ruleY([line.at], {stroke: "currentColor", strokeOpacity: 0.5, strokeDasharray: "3 3"}));
      marks.push(Plot.text([line], {y: "at", frameAnchor: "right", dx: -2, dy: -7, text: "label", textAnchor: "end", fill: "currentColor", fillOpacity: 0.8}));
    }
    series.forEach((name, i) => {
      const own = rows.filter((row) => chart.series == null || row[chart.series] === name);
      const color = colorOf(i);
      if (band) {
        marks.push(Plot.areaY(own.filter((d) => valid(d[band[0]])), {
          x, y1: (d) => within(d[band[0]]), y2: (d) => within(d[band[1]] ?? d[y]), fill: color, fillOpacity: 0.2,
        }));
      }
      marks.push(Plot.lineY(own, {
        x, y: (d) => valid(d[y]) ? within(d[y]) : NaN, stroke: color, strokeWidth: 2, strokeDasharray: dashOf(i),
      }));
      if (chart.dots) marks.push(Plot.dot(own.filter((d) => valid(d[y])), {x, y, fill: color, r: 3.5}));
    });
    for (const [i, line] of (chart.verticals ?? []).entries()) {
      marks.push(Plot.ruleX([line.at], {stroke: "currentColor", strokeOpacity: 0.65, strokeDasharray: i % 2 ? "2 3" : "5 3"}));
      const extent = d3.extent(rows, (d) => d[x]);
      const share = chart.x.scale === "log"
        ? Math.log(line.at / extent[0]) / Math.log(extent[1] / extent[0])
        : (line.at - extent[0]) / (extent[1] - extent[0]);
      const isRight = share > 0.65;
      marks.push(Plot.text([line], {
        x: "at", frameAnchor: "top", dy: -14 * (labels - i) + 2, dx: isRight ? -4 : 4, textAnchor: isRight ? "end" : "start",
        text: "label", fill: "currentColor", fontWeight: i === 0 ? 600 : 400,
      }));
    }
    const shown = rows.filter((d) => valid(d[y]) && d[y] <= top);
    marks.push(Plot.tip(shown, Plot.pointerX({
      x, y, title: (d) => chart.columns.map((column) => `${column}: ${number(d[column])}`).join("\n"), fill: "var(--plot-background)",
    })));
    const all = band ? shown.flatMap((d) => [d[y], d[band[0]], d[band[1]]]).filter((v) => v != null) : shown.map((d) => d[y]);
    return Plot.plot({
      width, height: Math.max(230, Math.min(380, width * 0.55)) + 14 * labels, marginLeft: 72, marginRight: 16, marginBottom: 42, marginTop: 14 + 14 * labels,
      style: {fontSize: "13px", overflow: "visible"},
      x: axis(chart.x, rows.map((d) => d[x]), Math.floor(width / 85)),
      y: {...axis(chart.y, all, 6, chart.domain), grid: true, nice: chart.domain == null && !isLog},
      marks,
    });
  }

  function lineLegend(chart) {
    if (!chart.series) return null;
    const names = distinct(rowsOf(chart), chart.series);
    return element("div", {class: "legend"}, ...names.map((name, i) =>
      element("span", {}, sample(i), String(name))));
  }

  // --- Heat maps

  function drawHeatmap(chart, width) {
    const rows = rowsOf(chart);
    const x = chart.x.column;
    const y = chart.y.column;
    const color = chart.color.column;
    const finite = rows.filter((d) => d[color] > 0);
    const [low, high] = d3.extent(finite, (d) => d[color]);
    const isWide = width > 560;
    const isTight = (width - 90) / distinct(rows, x).length < 60; // labels would run together
    const scale = d3.scaleSequentialLog([high, low], isDark() ? (t) => d3.interpolateViridis(1 - 0.9 * t) : (t) => d3.interpolateViridis(1 - 0.85 * t));
    const opacity = (d) => 0.4 + 0.6 * Math.min(1, d.steps / chart.full);
    const ink = (d) => {
      const c = d3.lab(scale(d[color]));
      return opacity(d) > 0.7 && c.l < 60 ? "white" : "var(--heat-ink, currentColor)";
    };
    return Plot.plot({
      width, height: 44 * distinct(rows, y).length + (isTight ? 96 : 70), marginLeft: 70, marginBottom: isTight ? 68 : 42, padding: 0.04,
      style: {fontSize: "13px", overflow: "visible"},
      x: {label: chart.x.label, labelAnchor: "center", labelArrow: "none", tickRotate: isTight ? -45 : 0, type: "band", domain: distinct(rows, x).sort(d3.ascending), tickFormat: (d) => number(d)},
      y: {label: chart.y.label, labelAnchor: "center", labelArrow: "none", type: "band", domain: distinct(rows, y).sort(d3.descending), tickFormat: (d) => number(d)},
      marks: [
        Plot.cell(finite, {x, y, fill: (d) => scale(d[color]), fillOpacity: opacity, inset: 0.5}),
        isWide ? Plot.text(finite, {x, y, text: (d) => d[color].toPrecision(3), fill: ink}) : null,
        Plot.dot(chart.dots ?? [], {x: "x", y: "y", dy: isWide ? -14 : 0, r: 4.5, fill: "#d55e00", stroke: "white", strokeWidth: 1.5}),
        Plot.tip(rows, Plot.pointer({x, y, title: (d) => chart.columns.map((c) => `${c}: ${number(d[c])}`).join("\n"), fill: "var(--plot-background)"})),
      ],
    });
  }

  // --- Contours with paths

  function drawPaths(chart, width, state) {
    const grid = chart.grid;
    const rows = rowsOf(chart).filter((d) => d.step <= state.step && state.shown.has(d.rule) && (state.all || d.start === 1));
    const names = distinct(rowsOf(chart), "rule");
    const inside = (d) => d.x >= grid.x1 && d.x <= grid.x2 && d.y >= grid.y1 && d.y <= grid.y2;
    const paths = d3.groups(rows, (d) => d.rule + "/" + d.start);
    const heads = paths.map(([, points]) => points[points.length - 1]).filter(inside);
    const starts = paths.map(([, points]) => points[0]).filter(inside);
    // Plot takes the values as those of the middles of pixels.
    const dx = (grid.x2 - grid.x1) / (grid.points - 1) / 2;
    const dy = (grid.y2 - grid.y1) / (grid.points - 1) / 2;
    const halo = isDark() ? "#12171d" : "#ffffff";
    const marks = [
      Plot.contour(grid.values, {
        width: grid.points, height: grid.points, x1: grid.x1 - dx, x2: grid.x2 + dx, y1: grid.y1 - dy, y2: grid.y2 + dy, clip: true,
        fill: Plot.identity, stroke: "currentColor", strokeOpacity: 0.25, strokeWidth: 0.6, thresholds: 14,
      }),
      Plot.dot(chart.crosses ?? [], {x: "x", y: "y", symbol: "times", r: 7, stroke: isDark() ? "#fff" : "#000", strokeWidth: 2.5}),
    ];
    for (const [, points] of paths) {
      const i = names.indexOf(points[0].rule);
      const option = {x: "x", y: "y", strokeLinejoin: "round", clip: true};
      marks.push(Plot.line(points, {...option, stroke: halo, strokeWidth: 4, strokeOpacity: 0.7}));
      marks.push(Plot.line(points, {...option, stroke: colorOf(i), strokeWidth: 2, strokeDasharray: dashOf(i)}));
    }
    marks.push(Plot.dot(starts, {x: "x", y: "y", r: 3, fill: halo, stroke: "currentColor"}));
    marks.push(Plot.dot(heads, {x: "x", y: "y", r: 5, fill: (d) => colorOf(names.indexOf(d.rule)), stroke: halo, strokeWidth: 1.5}));
    marks.push(Plot.tip(rows.filter(inside), Plot.pointer({
      x: "x", y: "y", title: (d) => chart.columns.map((c) => `${c}: ${number(d[c])}`).join("\n"), fill: "var(--plot-background)",
    })));
    const scheme = isDark() ? (t) => d3.interpolateGreys(0.97 - 0.4 * t) : (t) => d3.interpolateGreys(0.5 - 0.47 * t);
    const height = Math.min(460, Math.max(240, (width - 66) * Math.min(1, (grid.y2 - grid.y1) / (grid.x2 - grid.x1)) + 56));
    return Plot.plot({
      width, height, marginLeft: 50, marginRight: 16, marginTop: 14, marginBottom: 42, style: {fontSize: "13px", overflow: "visible"},
      x: {domain: [grid.x1, grid.x2], label: state.labels[0], labelAnchor: "center", labelArrow: "none", tickFormat: number, ticks: 5},
      y: {domain: [grid.y1, grid.y2], label: state.labels[1], labelAnchor: "center", labelArrow: "none", tickFormat: number, ticks: 5},
      color: {type: "linear", interpolate: scheme},
      marks,
    });
  }

  function pathControls(chart, state, redraw) {
    const rows = rowsOf(chart);
    const names = distinct(rows, "rule");
    const box = element("div");
    if (names.length > 1) {
      box.append(element("div", {class: "legend"}, ...names.map((name, i) => {
        const rate = rows.find((d) => d.rule === name).rate;
        return element("label", {title: `rate ${number(rate)}`},
          element("input", {type: "checkbox", checked: state.shown.has(name), onchange: (e) => {
            if (e.target.checked) state.shown.add(name); else state.shown.delete(name);
            redraw();
          }}), sample(i), name);
      }), element("label", {}, element("input", {type: "checkbox", onchange: (e) => {
        state.all = e.target.checked;
        redraw();
      }}), "all starts")));
    }
    if (distinct(rows, "step").length < 2) return box;
    const output = element("output", {}, `step ${state.step}`);
    const slider = element("input", {type: "range", min: 0, max: chart.steps, value: state.step, "aria-label": "step", oninput: (e) => {
      state.step = Number(e.target.value);
      output.textContent = `step ${state.step}`;
      redraw();
    }});
    let timer = null;
    const play = element("button", {type: "button", "aria-label": "play", onclick: () => {
      if (timer) { clearInterval(timer); timer = null; play.textContent = "▶"; return; }
      play.textContent = "❚❚";
      if (state.step >= chart.steps) state.step = 0;
      timer = setInterval(() => {
        state.step = Math.min(chart.steps, state.step + Math.ceil(chart.steps / 75));
        slider.value = state.step;
        output.textContent = `step ${state.step}`;
        redraw();
        if (state.step >= chart.steps) play.click();
      }, 60);
    }}, "▶");
    box.append(element("div", {class: "controls"}, play, slider, output));
    return box;
  }

  // --- Bars

  function drawBars(chart, width) {
    const rows = rowsOf(chart);
    const x = chart.x.column;
    const y = chart.y.column;
    const facets = distinct(rows, chart.facet);
    const format = chart.percent ? (v) => `${Math.round(100 * v)} %` : number;
    return Plot.plot({
      width, height: rows.length * 26 + facets.length * 40 + 50, marginLeft: Math.min(170, width * 0.4), marginRight: 50, marginBottom: 42, marginTop: 26,
      style: {fontSize: "13px", overflow: "visible"},
      x: {label: chart.x.label, labelAnchor: "center", labelArrow: "none", domain: chart.percent ? [0, 1] : undefined, tickFormat: format, grid: true, ticks: 5},
      y: {label: null, domain: distinct(rows, y)},
      fy: {label: null, domain: facets, padding: 0.3, axis: null},
      marks: [
        Plot.text(facets, {fy: (d) => d, text: (d) => d, frameAnchor: "top-left", dy: -18, fontWeight: 600, fill: "currentColor"}),
        Plot.barX(rows, {fy: chart.facet, x, y, fill: (d) => colorOf(distinct(rows, y).indexOf(d[y])), fillOpacity: 0.85}),
        Plot.text(rows, {fy: chart.facet, x, y, text: (d) => format(d[x]), dx: 6, textAnchor: "start", fill: "currentColor"}),
        Plot.tip(rows, Plot.pointerY({fy: chart.facet, x, y, title: (d) => chart.columns.map((c) => `${c}: ${number(d[c])}`).join("\n"), fill: "var(--plot-background)"})),
      ],
    });
  }

  // --- Tables

  function tableOf(columns, rows, options = {}) {
    const isNumber = columns.map((_, i) => rows.every((row) => row[i] == null || typeof row[i] === "number"));
    const body = element("tbody");
    const limit = options.limit ?? Infinity;
    const fill = (sorted) => body.replaceChildren(...sorted.slice(0, limit).map((row) =>
      element("tr", {}, ...row.map((cell, i) => element("td", {class: isNumber[i] ? "number" : null}, number(cell))))));
    const heads = columns.map((column, i) => {
      const head = element("th", {class: (isNumber[i] ? "number " : "") + (options.measured === i ? "measured" : ""), scope: "col"});
      head.append(element("button", {type: "button", title: "sort", onclick: () => {
        const isAscending = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
        const order = (a, b) => a[i] == null ? 1 : b[i] == null ? -1 : isAscending ? d3.ascending(a[i], b[i]) : d3.descending(a[i], b[i]);
        fill([...rows].sort(order));
      }}, column));
      return head;
    });
    fill(rows);
    const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body);
    if (options.sort) heads[columns.indexOf(options.sort)].querySelector("button").click();
    return element("div", {class: options.narrow ? "scroll narrow" : "scroll"}, table);
  }

  function drawTable(chart) {
    let columns = chart.columns;
    let rows = chart.rows;
    let measured = -1;
    const times = chart.timing && timings[chart.timing];
    if (times) {
      measured = columns.length;
      columns = [...columns, "ms per step (measured)"];
      rows = rows.map((row) => [...row, times[row[0]] ?? null]);
    }
    return tableOf(columns, rows, {measured, sort: chart.sort});
  }

  // --- Figures and sections

  const redraws = [];

  function figure(chart) {
    const size = ["half", "third", "quarter"].find((name) => chart[name]);
    const drawing = element("div", {class: "drawing"});
    const box = element("figure", {id: chart.id, class: size, "data-kind": chart.kind}, element("h3", {}, chart.title));
    if (chart.kind === "table") {
      drawing.append(drawTable(chart));
      box.append(drawing);
    } else {
      const state = {step: chart.steps, all: false, shown: new Set(chart.kind === "paths" ? distinct(rowsOf(chart), "rule").slice(0, SHOWN_RULES) : []), labels: chart.axes ?? ["x", "y"]};
      const draw = {lines: drawLines, heatmap: drawHeatmap, paths: drawPaths, bars: drawBars}[chart.kind];
      let width = 0;
      const redraw = () => {
        const plot = draw(chart, Math.max(260, width), state);
        plot.setAttribute("role", "img");
        plot.setAttribute("aria-label", chart.title);
        drawing.replaceChildren(plot);
      };
      const fit = (force, widest = Infinity) => {
        const now = Math.min(size ? widest / 2 - 20 : widest, Math.floor(drawing.clientWidth));
        if (now > 0 && (force || now !== width)) { width = now; redraw(); }
      };
      const legend = chart.kind === "lines" ? lineLegend(chart) : null;
      if (legend) box.append(legend);
      box.append(drawing);
      if (chart.kind === "paths") box.append(pathControls(chart, state, redraw));
      redraws.push(fit);
    }
    if (chart.caption) box.append(element("figcaption", {}, chart.caption));
    if (chart.kind !== "table") box.append(tableBehind(chart));
    return box;
  }

  function tableBehind(chart) {
    const details = element("details", {}, element("summary", {}, `Table (${chart.rows.length.toLocaleString("en")} rows)`));
    details.addEventListener("toggle", () => {
      if (!details.open || details.querySelector("table")) return;
      details.append(tableOf(chart.columns, chart.rows, {limit: MAX_TABLE_ROWS}));
      if (chart.rows.length > MAX_TABLE_ROWS) {
        details.append(element("p", {}, `The first ${MAX_TABLE_ROWS} in this order; all are in csv/${chart.id}.csv.`));
      }
    });
    return details;
  }

  function code(text) {
    const button = element("button", {type: "button", onclick: () => {
      navigator.clipboard?.writeText(text).then(() => {
        button.textContent = "copied";
        setTimeout(() => { button.textContent = "copy"; }, 1500);
      }, () => {});
    }}, "copy");
    return element("div", {class: "code"}, element("pre", {class: text.includes("\n") ? null : "command"}, text), button);
  }

  function facts() {
    const fact = (name, value, isMain) => element("div", {class: isMain ? "fact main" : "fact"}, element("b", {}, value), element("span", {}, name));
    return element("div", {class: "facts"},
      fact("learning rate to use", number(lab.suggested_rate), true),
      fact("safe band", lab.low === lab.high ? "this one only" : `${number(lab.low)} – ${number(lab.high)}`),
      fact("fit at this rate", lab.verdict),
      fact("validation accuracy", lab.validation_accuracy == null ? "–" : `${(100 * lab.validation_accuracy).toFixed(1)} %`),
      fact(`${lab.steps.toLocaleString("en")} steps each`, `${lab.seeds} seeds`));
  }

  function machine() {
    const box = element("div", {}, element("h3", {}, "Of this machine and this time only ", element("span", {class: "measured"}, "(measured; not in lab.json)")));
    const about = Object.entries(timings.machine).map(([name, value]) => [name, value]);
    box.append(tableOf(["what", "value"], about, {narrow: true}));
    if (timings.backends) {
      box.append(element("h3", {}, "Backends"));
      box.append(tableOf(["backend", "device", "the run's bits"], timings.backends.map((b) => [b.name, b.device, b.result])));
    }
    if (timings.seconds) {
      box.append(element("h3", {}, "Seconds that each part took ", element("span", {class: "measured"}, "(measured)")));
      box.append(tableOf(["part", "seconds"], Object.entries(timings.seconds), {narrow: true}));
    }
    return box;
  }

  const place = document.getElementById("sections");
  const contents = document.getElementById("contents");
  document.title = `Warmstep lab: ${lab.data} with ${lab.rule}`;
  document.getElementById("task").textContent =
    `${lab.data} · ${lab.rule} · hidden ${lab.hidden.join(", ") || "none"} · batch ${lab.batch} · seed ${lab.seed} · ${lab.plan}`;
  const SHORT = {verdict: "Verdict", range: "Range test", runs: "Three runs", map: "Map", fit: "Fit", surfaces: "Descent", plane: "Your loss", schedules: "Schedules", race: "Race", health: "Health", bits: "Reproduce", next: "Next"};
  lab.sections.forEach((section, i) => {
    const box = element("section", {id: section.id}, element("h2", {}, element("span", {class: "number"}, String(i + 1)), section.title));
    contents.append(element("li", {}, element("a", {href: `#${section.id}`}, SHORT[section.id] ?? section.title)));
    if (section.id === "verdict" && lab.suggested_rate != null) box.append(facts());
    section.text.forEach((paragraph) => box.append(element("p", {}, paragraph)));
    if (section.command) box.append(code(section.command));
    if (section.code) box.append(code(section.code));
    if (section.list) box.append(element("ol", {class: "advice"}, ...section.list.map((item) => element("li", {}, item))));
    if (section.machine) box.append(machine());
    if (section.charts.length) box.append(element("div", {class: "charts"}, ...section.charts.map(figure)));
    place.append(box);
  });

  /** Of a printed page; a wider drawing would be shrunk until its text cannot be read. */
  const PAPER = 680;
  const drawAll = (force, widest) => redraws.forEach((fit) => fit(force, widest));
  drawAll(true);
  let timer;
  addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(() => drawAll(false), 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(true));
  addEventListener("beforeprint", () => drawAll(true, PAPER));
  addEventListener("afterprint", () => drawAll(true));
  document.documentElement.dataset.drawn = "true";
})();

// Every configuration in three linked views: parallel coordinates, learning curves, and the table of trials.
import DataTable from "datatables";

const MANY = 500; // rows from which lines are drawn by WebGL, and drawn anew only when a drag ends
const NEAR = 12; // pixels from the pointer within which a line is meant
const SHADES = ["faint", "shade-0", "shade-1", "shade-2", "shade-3", "shade-4", "best"];

// One line for each row, over places 0, 1, ... from left to right: the axes, or the epochs.
class Lines {
  constructor(inner, name, room) {
    const [plot, lit, over] = inner.children;
    Object.assign(this, { inner, name, room, plot, lit, over });
  }

  show(values, places, [low, high]) {
    Object.assign(this, { values, last: Math.max(1, places - 1), low, high });
  }

  px = (place) => this.room.l + (place / this.last) * this.width;
  py = (value) => this.room.t + ((this.high - value) / (this.high - this.low)) * this.height;
  place = (x) => clamped(((x - this.room.l) / this.width) * this.last, 0, this.last);
  value = (y) => clamped(this.high - ((y - this.room.t) / this.height) * (this.high - this.low), this.low, this.high);

  // Each group of rows is one trace, whose meta holds them; gaps stay gaps.
  draw(groups, layout) {
    const { l, r, t, b, height } = this.room;
    Object.assign(this, { width: this.inner.clientWidth - l - r, height: height - t - b });
    const traces = groups.map((rows, shade) => {
      const points = rows.flatMap((row) => [...(this.values[row] ?? []).map((value, at) => [at, value]), [null, null]]);
      const line = { color: colour(SHADES[shade]), width: [0.6, 1.2, 3][Math.ceil(shade / 5)] };
      const [x, y] = [points.map((point) => point[0]), points.map((point) => point[1])];
      return { type: this.values.length > MANY ? "scattergl" : "scatter", mode: "lines", x, y, line, meta: rows };
    });
    const axes = { xaxis: { ...layout.xaxis, range: [0, this.last] }, yaxis: { ...layout.yaxis, range: [this.low, this.high] } };
    const size = { margin: { l, r, t, b }, height, width: this.inner.clientWidth, showlegend: false };
    Plotly.react(this.plot, traces, { ...themed(axes), ...size }, { staticPlot: true });
  }

  light(row) {
    const line = (row === null ? null : this.values[row]) ?? [];
    const step = (value, at) => value === null ? "" : `${(line[at - 1] ?? null) === null ? "M" : "L"}${this.px(at)} ${this.py(value)}`;
    this.lit.innerHTML = `<path d="${line.map(step).join("")}"/>`;
  }

  nearest(x, y, rows) {
    const along = Math.min(this.place(x), this.last - 0.001);
    const at = Math.floor(along);
    let [found, least] = [null, NEAR];
    for (const row of rows) {
      const [from, to] = [this.values[row]?.[at] ?? NaN, this.values[row]?.[at + 1] ?? NaN];
      const away = Math.abs(this.py(from + (along - at) * (to - from)) - y);
      if (away < least) [found, least] = [row, away];
    }
    return found;
  }

  brushBox({ at: [first, last], range: [low, high] }) {
    const made = element("i", { class: "brush" });
    const wide = Math.max(16, this.px(last) - this.px(first));
    const left = (this.px(first) + this.px(last) - wide) / 2;
    Object.assign(made.style, { left: `${left}px`, width: `${wide}px`, top: `${this.py(high)}px`, height: `${this.py(low) - this.py(high)}px` });
    return made;
  }
}

class Explorer {
  constructor() {
    this.brushes = new Map(); // by view and axis: {view, at: [first, last place], range: [low, high], text}
    this.node = document.getElementById("explorer").content.cloneNode(true).firstElementChild;
    for (const name of ["chips", "note", "trials", "tip"]) this[name] = this.node.querySelector(`.${name}`);
    this.parallel = new Lines(this.node.querySelector(".parallel"), "parallel", { l: 84, r: 56, t: 58, b: 14, height: 440 });
    this.curves = new Lines(this.node.querySelector(".curves"), "curves", { l: 56, r: 16, t: 10, b: 44, height: 380 });
    for (const view of [this.parallel, this.curves]) this.listen(view);
    this.parallel.over.addEventListener("keydown", (event) => this.key(event));
    DataTable.ext.search.push((settings, _, row) => settings.nTable !== this.tableNode || this.passes(row));
    addEventListener("resize", () => this.data && this.draw());
  }

  show(data) {
    this.data = data;
    this.note.textContent = data.note;
    this.parallel.show(data.positions, data.axes.length, [0, 1]);
    this.curves.show(data.curves, data.epochs, data.bounds);
    this.parallel.inner.style.minWidth = `${data.axes.length * 96}px`;
    const shape = JSON.stringify([data.columns, data.axes.map((axis) => axis.name)]);
    if (shape === this.shape) this.table.clear().rows.add(data.rows);
    else this.makeTable();
    this.shape = shape;
    this.table.draw(false);
  }

  makeTable() {
    this.brushes.clear();
    this.tableNode = element("table", { class: "display compact nowrap" });
    this.trials.replaceChildren(this.tableNode);
    const render = ({ decimals, numeric }) => (value, kind) => {
      if (value === null) return kind === "display" ? "–" : kind !== "filter" && numeric ? -Infinity : "";
      return kind === "display" ? escaped(shown(value, decimals)) : value;
    };
    const columns = this.data.columns.map((column) => ({ title: escaped(column.name), render: render(column), className: column.numeric ? "dt-right" : "dt-left" }));
    const csv = { extend: "csv", text: "Download as CSV", filename: "trials", escapeExcelFormula: true, exportOptions: { orthogonal: "filter", modifier: { search: "applied" } } };
    const layout = { topStart: "pageLength", topEnd: "search", bottomStart: ["info", { buttons: [csv] }], bottomEnd: "paging" };
    this.table = new DataTable(this.tableNode, { data: this.data.rows, columns, layout, order: [], autoWidth: false });
    this.table.on("draw", () => this.draw());
    this.tableNode.addEventListener("pointerover", (event) => this.light(this.table.row(event.target.closest("tbody tr")).index() ?? null));
    this.tableNode.addEventListener("pointerleave", () => this.light(null));
  }

  passes(row) {
    return [...this.brushes.values()].every(({ view, at, range }) => (view.values[row] ?? []).some((value, place) =>
      place >= at[0] && place <= at[1] && value !== null && value >= range[0] && value <= range[1]));
  }

  // The rows left out in grey, the selected ones by their fifth, the best of them on top.
  draw() {
    const { rows, fifths, axes } = this.data;
    this.selected = this.table.rows({ search: "applied" }).indexes().toArray();
    const chosen = new Set(this.selected);
    const groups = SHADES.map(() => []);
    for (let row = rows.length - 1; row >= 0; row -= 1) groups[chosen.has(row) ? Math.max(fifths[row], 0) + 1 : 0].push(row);
    const best = groups.findLast((group, shade) => shade > 0 && group.length)?.pop();
    if (best !== undefined) groups[6].push(best);
    const bare = { visible: false };
    const ticks = { tickmode: "array", ...this.data.ticks };
    this.parallel.draw(groups, { xaxis: bare, yaxis: bare });
    this.curves.draw(groups, { xaxis: { title: { text: "epoch" }, ...ticks }, yaxis: { title: { text: "validation accuracy" } } });
    Object.assign(this.node.dataset, { rows: chosen.size, of: rows.length });
    this.parallel.over.replaceChildren(...axes.map((axis, at) => this.axis(axis, at)));
    this.curves.over.replaceChildren();
    for (const brush of this.brushes.values()) brush.view.over.append(brush.view.brushBox(brush));
    this.parallel.over.querySelector(`[data-at="${this.focused}"]`)?.focus();
    this.focused = null;
    this.drawChips();
  }

  axis(axis, at) {
    const brush = this.brushes.get(`parallel ${at}`);
    const [now, text] = [Math.round(100 * (brush?.range[0] ?? 0)), brush?.text ?? "no filter"];
    const made = element("div", { class: "axis", tabindex: 0, role: "slider", "data-at": at, "aria-orientation": "vertical",
      "aria-label": `Filter by ${axis.name}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": now, "aria-valuetext": text });
    Object.assign(made.style, { left: `${this.parallel.px(at)}px`, top: `${this.parallel.py(1)}px`, height: `${this.parallel.height}px` });
    const ticks = axis.ticks.map(([share, label]) => element("span", { class: "tick", style: `top: ${100 * (1 - share)}%` }, label));
    made.append(element("span", { class: "name" }, axis.name.replaceAll("_", "_\u200b")), ...ticks);
    return made;
  }

  drawChips() {
    const chip = (text, clear) => {
      const made = element("button", { type: "button", "aria-label": `Remove the filter ${text}` }, `${text} ✕`);
      made.addEventListener("click", () => { clear(); this.table.draw(); });
      return made;
    };
    const made = [...this.brushes].map(([key, { text }]) => chip(text, () => this.brushes.delete(key)));
    const search = this.table.search();
    if (search) made.push(chip(`search: ${search}`, () => this.table.search("")));
    if (made.length) made.push(chip("all filters", () => { this.brushes.clear(); this.table.search(""); }));
    const said = `${this.selected.length} of ${this.data.rows.length} configurations`;
    this.chips.replaceChildren(element("b", { "aria-live": "polite" }, said), ...made);
  }

  // Light a configuration up in all views; null puts the light out.
  light(row) {
    this.node.dataset.lit = row ?? "";
    for (const view of [this.parallel, this.curves]) view.light(row);
    for (const node of this.tableNode.querySelectorAll("tr.lit")) node.classList.remove("lit");
    if (row !== null) this.table.row(row).node()?.classList.add("lit");
  }

  point(event, row) {
    this.light(row);
    this.tip.hidden = row === null;
    if (row === null) return;
    const { columns, rows, names } = this.data;
    const known = columns.map((column, at) => [column, rows[row][at]]).filter(([, value]) => value !== null).slice(0, 14);
    const lines = known.map(([{ name, decimals }, value]) => element("div", {}, `${name}: ${shown(value, decimals)}`));
    this.tip.replaceChildren(element("b", {}, names[row]), ...lines);
    const left = event.clientX > innerWidth / 2 ? event.clientX - this.tip.offsetWidth - 14 : event.clientX + 14;
    Object.assign(this.tip.style, { left: `${left}px`, top: `${Math.min(event.clientY, innerHeight - this.tip.offsetHeight - 8)}px` });
  }

  listen(view) {
    const { inner } = view;
    let drag = null;
    const place = (event) => [event.clientX - inner.getBoundingClientRect().left, event.clientY - inner.getBoundingClientRect().top];
    const on = (name, act) => inner.addEventListener(name, act);
    on("pointerdown", (event) => {
      const axis = event.target.closest(".axis")?.dataset.at;
      if (event.button || (view === this.parallel && axis === undefined)) return;
      drag = { from: place(event), axis };
      inner.setPointerCapture(event.pointerId);
      this.point(event, null);
    });
    on("pointermove", (event) => drag ? this.brush(view, drag, place(event), false) : this.point(event, view.nearest(...place(event), this.selected)));
    on("pointerup", (event) => { if (drag) this.brush(view, drag, place(event), true); drag = null; });
    on("pointercancel", () => { drag = null; });
    on("pointerleave", (event) => this.point(event, null));
  }

  // A drag sets a brush; a click picks a level, and clears elsewhere, or where that level was picked already.
  brush(view, { from, axis }, to, ended) {
    const click = Math.hypot(to[0] - from[0], to[1] - from[1]) < 5;
    if (!ended && (click || this.data.rows.length > MANY)) return;
    const { levels } = this.data.axes[axis] ?? { levels: [] };
    const at = axis === undefined ? sorted(view.place(from[0]), view.place(to[0])) : [Number(axis), Number(axis)];
    const range = levelled(sorted(view.value(from[1]), view.value(to[1])), levels.length);
    const same = this.brushes.get(`${view.name} ${axis ?? ""}`)?.range.join() === range.join();
    this.set(view, axis, at, click && (!levels.length || same) ? null : range);
  }

  set(view, axis, at, range) {
    const key = `${view.name} ${axis ?? ""}`;
    if (range) this.brushes.set(key, { view, at, range, text: this.said(axis, at, range) });
    else this.brushes.delete(key);
    this.table.draw();
  }

  said(axis, at, [low, high]) {
    if (axis === undefined) return `curves from ${low.toFixed(3)} to ${high.toFixed(3)} in epochs ${at.map((place) => Math.round(place + 1)).join(" to ")}`;
    const { name, levels, ticks, log, low: least, high: most } = this.data.axes[axis];
    if (levels.length) return `${name} = ${ticks.filter(([share]) => share > low && share < high).map(([, text]) => text).join(" or ")}`;
    const number = (share) => (log ? least * (most / least) ** share : least + share * (most - least)).toPrecision(3);
    return `${name} from ${number(low)} to ${number(high)}`;
  }

  // Arrows move a window over the levels, or over quarters of a range; Escape clears.
  key(event) {
    const step = { ArrowUp: 1, ArrowDown: -1, Escape: 0 }[event.key];
    const axis = event.target.dataset.at;
    if (step === undefined || axis === undefined) return;
    event.preventDefault();
    const count = this.data.axes[axis].levels.length || 4;
    const last = this.brushes.get(`parallel ${axis}`);
    const place = last ? Math.round(last.range[0] * count) + step : step > 0 ? 0 : count - 1;
    const held = step && place >= 0 && place < count;
    this.focused = axis;
    this.set(this.parallel, axis, [Number(axis), Number(axis)], held ? [place / count, (place + 1) / count] : null);
  }
}

const clamped = (value, low, high) => Math.min(high, Math.max(low, value));
const sorted = (a, b) => [Math.min(a, b), Math.max(a, b)];
const shown = (value, decimals) => typeof value !== "number" ? value : decimals === null ? String(Number(value.toPrecision(4))) : value.toFixed(decimals);
const escaped = (text) => element("i", {}, text).innerHTML;

function levelled([low, high], count) {
  if (!count) return [low, high];
  const level = (share) => Math.min(count - 1, Math.floor(share * count));
  return [level(low) / count, (level(high) + 1) / count];
}

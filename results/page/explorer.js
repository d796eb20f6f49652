// Every configuration in three linked views: parallel coordinates, learning curves, and the table of trials.
import DataTable from "datatables";

const MOST = 500; // lines that a picture draws of the rows selected, and as many of those left out
const NEAR = 12; // pixels from the pointer within which a line is meant

// A line for each row: shares of the height from below, at places 0, 1, ... from left to right, the axes or the epochs.
class Lines {
  constructor(node) {
    const [plot, over] = node.children;
    Object.assign(this, { node, plot, over, lit: over.querySelector("path"), fieldsNode: over.lastElementChild });
  }

  show(view) {
    const known = JSON.stringify(this.fields);
    Object.assign(this, view);
    this.node.setAttribute("style", this.style);
    if (JSON.stringify(this.fields) !== known) this.fieldsNode.replaceChildren(...this.fields.map((field) => build(field)));
  }

  // Each group of rows is one trace, whose meta holds them; gaps stay gaps.
  draw(groups) {
    const traces = groups.map((rows, shade) => ({
      type: "scatter", mode: "lines", line: theme.shown.lines[shade], meta: rows,
      x: rows.flatMap((row) => [...this.values[row].keys(), null]), y: rows.flatMap((row) => [...this.values[row], null]),
    }));
    show(this.plot, traces, this.layout, { staticPlot: true });
  }

  light(row) {
    const line = row === null ? [] : this.values[row];
    const step = (value, at) => value === null ? "" : `${(line[at - 1] ?? null) === null ? "M" : "L"}${at / this.last} ${1 - value}`;
    this.lit.setAttribute("d", line.map(step).join(""));
  }

  // The place and the share at which a pointer is.
  at({ clientX, clientY }) {
    const { left, top, width, height } = this.over.getBoundingClientRect();
    const [x, y] = [(clientX - left) / width, (clientY - top) / height].map((share) => Math.min(1, Math.max(0, share)));
    return [x * this.last, 1 - y];
  }

  nearest(event, rows) {
    const [place, share] = this.at(event);
    const at = Math.min(Math.floor(place), this.last - 1);
    let [found, least] = [null, NEAR / this.over.clientHeight];
    for (const row of rows) {
      const [from, to] = [this.values[row][at] ?? NaN, this.values[row][at + 1] ?? NaN];
      const away = Math.abs(from + (place - at) * (to - from) - share);
      if (away < least) [found, least] = [row, away];
    }
    return found;
  }
}

class Explorer {
  constructor() {
    this.brushes = new Map(); // by field: its view, first and last place, low and high step, steps, text and style
    this.node = byId("explorer").content.cloneNode(true).firstElementChild;
    for (const name of ["chips", "trials", "tip"]) this[name] = this.node.querySelector(`.${name}`);
    this.views = [...this.node.querySelectorAll(".chart")].map((node) => this.listen(new Lines(node)));
    DataTable.ext.search.push((settings, _, row) => settings.nTable !== this.tableNode || this.passes(row));
  }

  show(data) {
    this.data = data;
    this.views.forEach((view, at) => view.show(data.views[at]));
    const shape = JSON.stringify([data.table, data.views.map(({ scales }) => Object.keys(scales))]);
    (shape === this.shape ? this.table.clear().rows.add(data.rows) : this.makeTable(shape)).draw(false);
  }

  makeTable(shape) {
    this.shape = shape;
    this.brushes.clear();
    this.tableNode = element("table", { class: "display compact nowrap" });
    this.trials.replaceChildren(this.tableNode);
    const { display } = DataTable.render.text(); // texts stay texts
    const columns = this.data.table.columns.map(({ decimals, ...column }) =>
      ({ ...column, render: (value, kind) => kind === "display" ? display(shown(value, decimals)) : value }));
    this.table = new DataTable(this.tableNode, { ...this.data.table, columns, data: this.data.rows }).on("draw", () => this.draw());
    this.tableNode.addEventListener("pointerover", ({ target }) => this.light(this.table.row(target.closest("tbody tr")).index() ?? null));
    this.tableNode.addEventListener("pointerleave", () => this.light(null));
    return this.table;
  }

  passes(row) {
    return [...this.brushes.values()].every(({ view, first, last, low, high, steps }) =>
      view.values[row].slice(first, last + 1).some((value) => value !== null && value * steps >= low && value * steps <= high));
  }

  // The rows left out, and those without a score, are grey; the first of those selected is the best.
  draw() {
    const { rows, fifths } = this.data;
    const selected = this.table.rows({ search: "applied", order: "index" }).indexes().toArray();
    const chosen = new Set(selected);
    const groups = theme.shown.lines.map(() => []);
    groups[0].push(...thinned([...rows.keys()].filter((row) => !chosen.has(row))));
    this.shown = thinned(selected);
    this.shown.forEach((row, at) => groups[fifths[row] && !at ? 6 : fifths[row]].push(row));
    for (const view of this.views) view.draw(groups);
    Object.assign(this.node.dataset, { rows: selected.length, of: rows.length });
    this.mark();
  }

  // The boxes of the brushes, and a button for each filter.
  mark() {
    for (const field of this.node.querySelectorAll("[data-field]")) {
      const { low = 0, steps = 1, text = "no filter", style = "display: none" } = this.brushes.get(field.dataset.field) ?? {};
      field.firstChild.setAttribute("style", style);
      if (field.role) Object.assign(field, { ariaValueNow: Math.round((100 * low) / steps), ariaValueText: text });
    }
    const chip = (text, clear) => Object.assign(
      element("button", { type: "button", "aria-label": `Remove the filter ${text}` }, `${text} ✕`),
      { onclick: () => { clear(); this.table.draw(); } });
    const chips = [...this.brushes].map(([field, { text }]) => chip(text, () => this.brushes.delete(field)));
    if (this.table.search()) chips.push(chip(`search: ${this.table.search()}`, () => this.table.search("")));
    if (chips.length) chips.push(chip("all filters", () => { this.brushes.clear(); this.table.search(""); }));
    const { rows, of } = this.node.dataset;
    const lines = this.shown.length < rows ? `; ${this.shown.length} lines are drawn, evenly by rank` : "";
    this.chips.replaceChildren(element("b", { "aria-live": "polite" }, `${rows} of ${of} configurations${lines}`), ...chips);
  }

  // Light a configuration up in all views; null puts the light out.
  light(row) {
    this.node.dataset.lit = row ?? "";
    for (const view of this.views) view.light(row);
    this.tableNode.querySelector("tr.lit")?.classList.remove("lit");
    if (row !== null) this.table.row(row).node()?.classList.add("lit");
  }

  point(event, row) {
    this.light(row);
    const { rows, tip, table: { columns } } = this.data;
    const said = row === null ? [] : tip.filter((at) => rows[row][at] !== "")
      .map((at) => `${columns[at].name}: ${shown(rows[row][at], columns[at].decimals)}`);
    this.tip.replaceChildren(...said.map((text) => element("div", {}, text)));
    const shift = event.clientX > innerWidth / 2 ? "calc(-100% - 14px)" : "14px";
    this.tip.style.cssText = `--x: ${event.clientX}px; --y: ${event.clientY}px; --shift: ${shift}`;
  }

  listen(view) {
    let drag = null;
    const on = (name, act) => view.node.addEventListener(name, act);
    on("pointerdown", (event) => {
      const { button, clientX: x, clientY: y, target: { dataset: { field } } } = event;
      if (button || !field) return;
      drag = { field, from: view.at(event), x, y };
      view.node.setPointerCapture(event.pointerId);
      this.point(event, null);
    });
    on("pointermove", (event) => drag ? this.brush(view, drag, event) : this.point(event, view.nearest(event, this.shown)));
    on("pointerup", (event) => { if (drag) { this.brush(view, drag, event); this.table.draw(); } drag = null; });
    on("pointercancel", () => { drag = null; });
    on("pointerleave", (event) => this.point(event, null));
    on("keydown", (event) => this.key(view, event));
    return view;
  }

  // A drag sets a brush; a click picks a level, and clears elsewhere, or where that level was picked already.
  brush(view, { field, from, x, y }, event) {
    const to = view.at(event);
    const click = Math.hypot(event.clientX - x, event.clientY - y) < 5;
    if (click && event.type === "pointermove") return;
    const [{ at, steps, levels }, last] = [view.scales[field], this.brushes.get(field)];
    const [low, high] = sorted(from[1], to[1]).map((share) => Math.min(steps - 1, Math.floor(share * steps)));
    const cleared = click && (!levels || (last?.low === low && last.high === high + 1));
    this.set(view, field, low, cleared ? low : high + 1, at === null ? sorted(from[0], to[0]).map(Math.round) : [at, at]);
  }

  // Brush a field from a step to another; where there is none between them, its brush is taken away.
  set(view, field, low, high, [first, last]) {
    const { at, steps, levels, texts } = view.scales[field];
    const said = levels ? `= ${texts.slice(low, high).join(" or ")}` : `from ${texts[low]} to ${texts[high]}`;
    const text = `${field} ${said}${at === null ? ` in epochs ${first + 1} to ${last + 1}` : ""}`;
    const sides = [1 - high / steps, 1 - last / view.last, low / steps, first / view.last].map((share) => `${100 * share}%`);
    if (low < high) this.brushes.set(field, { view, first, last, low, high, steps, text, style: `inset: ${sides.join(" ")}` });
    else this.brushes.delete(field);
    this.mark();
  }

  // Arrows move a window over the levels, or over quarters of a range; Escape clears.
  key(view, event) {
    const step = { ArrowUp: 1, ArrowDown: -1, Escape: NaN }[event.key];
    const { field } = event.target.dataset;
    if (step === undefined || !field) return;
    event.preventDefault();
    const { at, steps, wide } = view.scales[field];
    const low = (this.brushes.get(field)?.low ?? (step > 0 ? -wide : steps)) + step * wide;
    this.set(view, field, low, low >= 0 && low < steps ? low + wide : low, [at, at]);
    this.table.draw();
  }
}

const sorted = (a, b) => [Math.min(a, b), Math.max(a, b)];
const shown = (value, decimals) =>
  typeof value !== "number" ? value : decimals === null ? String(Number(value.toPrecision(4))) : value.toFixed(decimals);

// Evenly many, the first among them.
const thinned = (rows) =>
  rows.length <= MOST ? rows : Array.from({ length: MOST }, (_, at) => rows[Math.floor((at * rows.length) / MOST)]);

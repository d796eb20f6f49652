// The study page: draws its content, frozen in the page or fetched from the server, as often as that changes.

const root = document.documentElement;
const live = document.body.dataset.live;
let content = null;
let explorer = null;
const colours = new Map(); // of the present theme

function render(page) {
  content = page;
  document.title = `${page.title} · genresweep`;
  document.getElementById("title").textContent = page.title;
  document.getElementById("subtitle").textContent = page.subtitle;
  badge(page.state);
  const links = page.sections.map((section) => element("a", { href: `#${section.id}` }, section.heading));
  document.getElementById("contents").replaceChildren(...links);
  const main = document.getElementById("sections");
  const found = new Map([...main.children].map((child) => [child.id, child]));
  const nodes = page.sections.map((section) => draw(section, found.get(section.id)));
  if (nodes.length !== main.children.length || nodes.some((node, at) => node !== main.children[at])) main.replaceChildren(...nodes);
  document.body.dataset.drawn = page.sections.length;
}

let known = new WeakMap(); // the content of each section that is drawn, as text

// A section that is there already keeps its place, its folds and its figures.
function draw(section, found) {
  const content = JSON.stringify(section);
  if (found && known.get(found) === content) return found;
  const node = found ?? element("section", { id: section.id });
  const open = new Set([...node.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent));
  const figures = new Map([...node.querySelectorAll(".plot[data-title]")].map((plot) => [plot.dataset.title, plot]));
  const blocks = section.blocks.map((block) => BLOCKS[block.kind](block, figures));
  node.replaceChildren(element("h2", {}, section.heading), ...blocks);
  for (const fold of node.querySelectorAll("details")) fold.open = open.has(fold.firstChild.textContent);
  known.set(node, content);
  return node;
}

const BLOCKS = {
  facts(block) {
    const items = block.items.map((fact) =>
      element("div", {}, element("dt", {}, fact.label), element("dd", {}, element("b", {}, fact.value), element("small", {}, fact.hint))));
    return element("dl", { class: block.large ? "facts large" : "facts" }, ...items);
  },
  note(block) {
    return element("div", {}, element("p", {}, block.text), ...(block.code ? [element("pre", { tabindex: 0 }, block.code)] : []));
  },
  table(block) {
    const kinds = block.numeric.map((numeric) => (numeric ? { class: "number" } : {}));
    const cells = (tag, texts, more) => element("tr", {}, ...texts.map((text, at) => element(tag, { ...kinds[at], ...more }, text)));
    const rows = block.rows.map((row) => cells("td", row, {}));
    const table = element("table", { class: "plain" },
      element("thead", {}, cells("th", block.columns, { scope: "col" })), element("tbody", {}, ...rows));
    const notes = block.notes.map((note) => element("p", {}, note));
    return folded(block, scrolling(block.title, table), ...notes);
  },
  figure(block, known) {
    const plot = known.get(block.title) ?? element("div", { class: "plot", "data-title": block.title });
    const made = folded(block, scrolling(block.title, plot));
    plot.style.minHeight = `${block.figure.layout.height ?? 400}px`;
    plot.show = () => Plotly.react(plot, block.figure.data, themed(block.figure.layout), { displaylogo: false, responsive: true });
    near.unobserve(plot);
    near.observe(plot);
    return made;
  },
  explorer(block) {
    explorer ??= new Explorer();
    setTimeout(() => explorer.show(block));
    return explorer.node;
  },
};

// Figures are drawn when they come near the window, or when the page is printed.
const near = new IntersectionObserver((seen) => {
  for (const { isIntersecting, target } of seen) if (isIntersecting) target.show();
}, { rootMargin: "800px" });

function folded(block, ...inside) {
  if (block.folded) return element("details", {}, element("summary", {}, block.title), ...inside);
  return element("div", {}, element("h3", {}, block.title), ...inside);
}

function scrolling(title, inside) {
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, inside);
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// A colour of style.css as Plotly reads it.
function colour(name) {
  if (!colours.has(name)) {
    root.style.outlineColor = `var(--${name})`;
    colours.set(name, getComputedStyle(root).outlineColor);
  }
  return colours.get(name);
}

function themed(layout) {
  const axis = { gridcolor: colour("grid"), zerolinecolor: colour("grid"), linecolor: colour("grid"), automargin: true };
  const [clear, font] = ["rgba(0,0,0,0)", { color: colour("ink"), family: "system-ui, sans-serif" }];
  const colorway = ["#3a7fc1", "#d95f02", "#1b9e77", "#b5679d", "#a6761d", "#7a7a7a"];
  const margin = { t: 40, r: 20, b: 50, l: 60 };
  const hoverlabel = { bgcolor: colour("card"), font };
  return { ...layout, template: { layout: { font, paper_bgcolor: clear, plot_bgcolor: clear, xaxis: axis, yaxis: axis, hoverlabel, colorway, margin } } };
}

const asked = matchMedia("(prefers-color-scheme: dark)");
const theme = { chosen: null, printing: false };

function paint(change = {}) {
  Object.assign(theme, change);
  const dark = !theme.printing && (theme.chosen ?? asked.matches);
  root.style.colorScheme = dark ? "dark" : "light";
  root.classList.toggle("dark", dark);
  colours.clear();
  known = new WeakMap();
  if (content) render(content);
}

asked.addEventListener("change", () => paint());
addEventListener("beforeprint", () => {
  paint({ printing: true });
  for (const plot of document.querySelectorAll("section > div .plot[data-title]")) plot.show();
});
addEventListener("afterprint", () => paint({ printing: false }));
document.getElementById("theme").addEventListener("click", () => paint({ chosen: !(theme.chosen ?? asked.matches) }));

const RESTS = 4; // a page that takes long to draw rests so many times as long
const banner = element("p", { id: "banner", role: "alert", hidden: "" });

// Ask for what has changed once a second, also after the server or the study was away for a while.
async function follow(tag) {
  const [answer, said] = await ask(tag).catch(() => [null, "The dashboard does not answer: this page goes on as soon as it does."]);
  let drawing = 0;
  if (answer?.ok) {
    const began = performance.now();
    render(said);
    await new Promise((drawn) => setTimeout(drawn));
    [tag, drawing] = [answer.headers.get("ETag"), performance.now() - began];
  }
  const lost = !answer?.ok && answer?.status !== 304;
  banner.textContent = lost ? said : "";
  banner.hidden = !lost;
  badge(lost ? "lost" : content.state);
  if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
  setTimeout(follow, Math.max(1000, RESTS * drawing), tag);
}

async function ask(tag) {
  const answer = await fetch(live, { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
  return [answer, answer.ok ? await answer.json() : await answer.text()];
}

function badge(state) {
  const node = document.getElementById("state");
  node.textContent = node.className = state;
  node.hidden = false;
}

paint();
if (live) {
  const header = document.querySelector("header");
  header.before(element("p", { class: "home" }, element("a", { href: "/" }, "All studies")));
  header.after(banner);
  follow(null);
} else render(JSON.parse(document.getElementById("payload").textContent));

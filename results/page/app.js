// The study page and the list of studies: draws its content, frozen in the page or asked for as often as that changes.
const byId = (id) => document.getElementById(id);
const live = document.body.dataset.live;
const PAPER = 680; // pixels between the margins of a sheet
const themes = JSON.parse(byId("themes").textContent);
let content = null;
let explorer = null;
let drawn = new WeakMap(); // the content of each section that is drawn, as text

function render(page) {
  content = page;
  byId("subtitle").textContent = page.subtitle;
  badge(page.state);
  byId("contents").replaceChildren(...page.sections.map(({ id, heading }) => element("a", { href: `#${id}` }, heading)));
  const main = byId("sections");
  const nodes = page.sections.map((section) => draw(section, byId(section.id)));
  if (nodes.length !== main.children.length || nodes.some((node, at) => node !== main.children[at])) main.replaceChildren(...nodes);
}

// A section that is there already keeps its place, its folds and its figures.
function draw(section, found) {
  const text = JSON.stringify(section);
  if (found && drawn.get(found) === text) return found;
  const node = found ?? element("section", { id: section.id });
  const open = new Set([...node.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent));
  const plots = new Map([...node.querySelectorAll(".plot")].map((plot) => [plot.dataset.title, plot]));
  node.replaceChildren(element("h2", {}, section.heading), ...section.nodes.map((child) => build(child, plots)));
  for (const fold of node.querySelectorAll("details")) fold.open = open.has(fold.firstChild.textContent);
  drawn.set(node, text);
  return node;
}

// A text, [tag, attributes, ...children], a figure, or the explorer; texts stay texts.
function build(node, plots) {
  if (typeof node === "string") return node;
  if (node.figure) return plotted(node, plots);
  if (node.explorer) {
    queueMicrotask(() => explorer.show(node.explorer)); // once it stands in the page
    return (explorer ??= new Explorer()).node;
  }
  const [tag, attributes, ...children] = node;
  return element(tag, attributes, ...children.map((child) => build(child, plots)));
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function plotted({ title, figure: { data, layout } }, plots) {
  const plot = plots.get(title) ?? element("div", { class: "plot", "data-title": title });
  plot.show = () => show(plot, data, layout, { displaylogo: false });
  near.unobserve(plot);
  near.observe(plot);
  return plot;
}

const badge = (state) => Object.assign(byId("state"), { textContent: state, className: state });
const show = (plot, data, layout, more) => Plotly.react(plot, data,
  { ...layout, template: theme.shown.template, ...(printing.matches && { width: PAPER }) }, { responsive: true, ...more });

// Figures are drawn when they come near the window, or when the page is printed.
const near = new IntersectionObserver((seen) => seen.filter((one) => one.isIntersecting).forEach((one) => one.target.show()),
  { rootMargin: "800px" });

const [asked, printing] = ["(prefers-color-scheme: dark)", "print"].map((query) => matchMedia(query));
const theme = { chosen: null, shown: null };

function paint() {
  const dark = !printing.matches && (theme.chosen ?? asked.matches);
  theme.shown = dark ? themes.dark : themes.light;
  document.documentElement.classList.toggle("dark", dark);
  drawn = new WeakMap();
  if (content) render(content);
  if (printing.matches) document.querySelectorAll(".plot").forEach((plot) => plot.show());
}

for (const query of [asked, printing]) query.addEventListener("change", paint);
byId("theme").addEventListener("click", () => { theme.chosen = !(theme.chosen ?? asked.matches); paint(); });

// Ask for what has changed once a second, also after the server or the study was away for a while.
async function follow(tag) {
  const told = fetch(live, { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} })
    .then(async (answer) => [answer, answer.ok ? await answer.json() : await answer.text()]);
  const [answer, said] = await told.catch(() => [null, "The dashboard does not answer: this page goes on as soon as it does."]);
  if (answer?.ok) {
    tag = answer.headers.get("ETag");
    render(said);
  }
  const lost = !answer?.ok && answer?.status !== 304;
  byId("banner").textContent = lost ? said : "";
  badge(lost ? "lost" : content.state);
  setTimeout(follow, 1000, tag);
}

paint();
if (live) follow(null);
else render(JSON.parse(byId("payload").textContent));

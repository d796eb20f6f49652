// The list of studies, asked for every second; texts stay texts.

const [table, banner] = ["studies", "banner"].map((id) => document.getElementById(id));

function cell(tag, text, name = "") {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
}

function drawn(study) {
  const [row, link, name] = [cell("tr", ""), cell("a", study.name), cell("th", "")];
  link.href = study.url;
  name.scope = "row";
  name.append(link);
  const read = study.state !== "unreadable";
  const started = study.started ? new Date(study.started).toLocaleString() : "";
  row.append(name, cell("td", study.state, `state-${study.state}`));
  if (read) row.append(cell("td", `${study.ended} of ${study.total}`, "number"), cell("td", study.best === null ? "–" : study.best.toFixed(4), "number"), cell("td", started));
  else {
    row.append(cell("td", study.message));
    row.lastChild.colSpan = 3;
  }
  return row;
}

async function follow(tag) {
  const [answer, said] = await ask(tag).catch(() => [null, "The dashboard does not answer: this list goes on as soon as it does."]);
  if (answer?.ok) {
    tag = answer.headers.get("ETag");
    document.getElementById("subtitle").textContent = said.folder;
    document.getElementById("none").hidden = said.studies.length > 0;
    table.replaceChildren(...said.studies.map(drawn));
    document.body.dataset.studies = said.studies.length;
  }
  const lost = !answer?.ok && answer?.status !== 304;
  banner.textContent = lost ? said : "";
  banner.hidden = !lost;
  if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
  setTimeout(follow, 1000, tag);
}

async function ask(tag) {
  const answer = await fetch("/studies", { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
  return [answer, answer.ok ? await answer.json() : await answer.text()];
}

follow(null);

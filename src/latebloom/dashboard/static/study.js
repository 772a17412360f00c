// A study as a map of two of its axes; a cell opens its runs.

import { ask, path, query, setQuery } from "./ask.js";
import { count, value } from "./format.js";
import { colour } from "./heat.js";
import { html } from "./svg.js";
import { themeButton } from "./theme.js";

const OUTCOMES = [
  ["grokked", "generalised", "#009e73"],
  ["memorised", "memorised, not generalised", "#e69f00"],
  ["neither", "neither by its last step", "#b4bac2"],
  ["failed", "failed", "#d55e00"],
  ["open", "not finished", "#dfe3e8"],
];
const folder = decodeURIComponent(location.pathname.replace(/^\/study\//, ""));
const form = document.getElementById("choice");
const said = document.getElementById("said");
let study = null;

const outcome = (run) => {
  if (run.state === "failed") return "failed";
  if (Number.isInteger(run.grokked)) return "grokked";
  if (run.state !== "done") return "open";
  return Number.isInteger(run.memorised) ? "memorised" : "neither";
};

// The kinds that a cell counts: end states by the rules of analysis, or how far the runs are.
const kinds = (show) => (show === "end" ? [...study.ends.map((e) => ({ ...e, of: (run) => run.end === e.name })), OPEN] : PROGRESS);
const PROGRESS = OUTCOMES.map(([name, words, paint]) => ({ name, words, mark: "", colour: paint, of: (run) => outcome(run) === name }));
const OPEN = { name: "open", words: "not ended", mark: "·", colour: "#dfe3e8", of: (run) => run.end === null };

const NUMBERS = {
  grokked: (run) => run.grokked ?? null,
  memorised: (run) => run.memorised ?? null,
  delay: (run) => (Number.isInteger(run.grokked) && Number.isInteger(run.memorised) ? run.grokked - run.memorised : null),
};

async function load() {
  try {
    study = await ask(`/api/study/${path(folder)}`);
  } catch (error) {
    said.textContent = error.message;
    return;
  }
  document.getElementById("name").textContent = study.name;
  document.title = `${study.name} · latebloom`;
  document.getElementById("question").textContent = study.question ?? "";
  const names = study.axes.map((axis) => axis.name);
  const now = query();
  const fill = (select, options, wanted, fallback) => {
    const chosen = options.includes(wanted) ? wanted : fallback;
    select.replaceChildren(...options.map((n) => new Option(n, n, false, n === chosen)));
  };
  fill(form.x, names, now.get("x"), names[0]);
  fill(form.y, [...names, ALL], now.get("y"), names[1] ?? ALL);
  form.show.options[0].disabled = !study.ends.length;
  form.show.value = now.get("show") ?? (study.ends.length ? "end" : "outcome");
  draw();
}

// What stands for the second axis where a study has one, or where runs are pooled over all others.
const ALL = "all runs";
const axis = (name) => (name === ALL ? { name, values: [ALL] } : study.axes.find((a) => a.name === name));

function cellRuns(x, y) {
  const same = (run, name, v) => name === ALL || JSON.stringify(run.cell[name]) === JSON.stringify(v);
  return study.runs.filter((run) => same(run, form.x.value, x) && same(run, form.y.value, y));
}

function draw() {
  const [across, up] = [axis(form.x.value), axis(form.y.value)];
  if (!across || !up) {
    said.textContent = "This study has no axes.";
    return;
  }
  const show = form.show.value;
  const cells = up.values.toReversed().map((y) => across.values.map((x) => ({ x, y, runs: cellRuns(x, y) })));
  const scale = counted(show) ? null : logScale(cells.flat().map((cell) => median(cell, show)));
  const rows = cells.map((row) => {
    const head = Object.assign(html("th", "", label(row[0].y)), { scope: "row" });
    return html("tr", "", head, ...row.map((cell) => html("td", "", button(cell, show, scale))));
  });
  const heads = across.values.map((x) => Object.assign(html("th", "", label(x)), { scope: "col" }));
  const caption = html("caption", "quiet", up.name === ALL ? `${across.name} across` : `${up.name} up, ${across.name} across`);
  document.getElementById("map").replaceChildren(html("table", "", caption, html("tbody", "", ...rows, html("tr", "", html("td"), ...heads))));
  drawLegend(show, scale);
  const open = query().get("cell");
  if (open) document.querySelector(`[data-cell='${CSS.escape(open)}']`)?.click();
}

const counted = (show) => show === "end" || show === "outcome";

const named = (cell) => [`${form.x.value} ${label(cell.x)}`, ...(form.y.value === ALL ? [] : [`${form.y.value} ${label(cell.y)}`])].join(", ");

const label = (v) => (typeof v === "number" ? String(Number(v.toPrecision(3))) : String(v));

function median(cell, show) {
  const found = cell.runs.map(NUMBERS[show]).map((v) => v ?? Infinity).sort((a, b) => a - b);
  if (!found.length) return null;
  const half = found.length / 2;
  const middle = Number.isInteger(half) ? (found[half - 1] + found[half]) / 2 : found[Math.floor(half)];
  return Number.isFinite(middle) ? middle : null;
}

function logScale(values) {
  const known = values.filter((v) => v > 0);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  return { low, high, at: (v) => (high > low ? Math.log(v / low) / Math.log(high / low) : 0.5), any: known.length > 0 };
}

function button(cell, show, scale) {
  const made = html("button");
  made.type = "button";
  const counts = kinds(show === "end" ? "end" : "outcome").map((kind) => ({ ...kind, n: cell.runs.filter(kind.of).length })).filter((c) => c.n).sort((a, b) => b.n - a.n);
  let words = "";
  if (counted(show)) {
    made.style.background = stripes(counts, cell.runs.length);
    words = show === "end" ? counts.map((c) => `${c.n}${c.mark}`).join(" ") : counts.length ? `${counts[0].n}/${cell.runs.length}` : "";
  } else {
    const v = median(cell, show);
    const share = v === null ? 0 : scale.at(v);
    const [r, g, b] = v === null ? [223, 227, 232] : colour(share);
    made.style.background = `rgb(${r} ${g} ${b})`;
    made.classList.toggle("dark-cell", v !== null && 0.299 * r + 0.587 * g + 0.114 * b < 140);
    const censored = cell.runs.filter((run) => NUMBERS[show](run) === null).length;
    words = v === null ? `>${censored}` : value(v).replace(/\.00$/, "");
    made.append(html("span", "", v === null ? "–" : words), html("small", "", censored ? `${cell.runs.length - censored}/${cell.runs.length}` : ""));
  }
  if (counted(show)) made.textContent = words;
  const told = counts.map((c) => `${c.n} ${show === "end" ? c.name : c.words}`).join(", ") || "no run";
  made.setAttribute("aria-label", `${named(cell)}: ${told}`);
  made.setAttribute("aria-pressed", "false");
  made.title = told;
  made.dataset.cell = JSON.stringify([cell.x, cell.y]);
  made.addEventListener("click", () => openCell(cell, made));
  return made;
}

// A cell of several kinds is striped in proportion.
function stripes(counts, all) {
  let at = 0;
  const parts = counts.map(({ n, colour: paint }) => `${paint} ${(100 * at) / all}% ${(100 * (at += n)) / all}%`);
  return parts.length ? `linear-gradient(to right, ${parts.join(", ")})` : "transparent";
}

function openCell(cell, made) {
  for (const other of document.querySelectorAll(".study-map button")) other.setAttribute("aria-pressed", String(other === made));
  setQuery({ cell: made.dataset.cell });
  const rows = cell.runs.map((run) => {
    const link = html("a", "", run.folder);
    link.href = `/run/${path(run.folder)}`;
    const name = Object.assign(html("th", "", run.state === "pending" ? run.folder : link, html("span", "rule", run.error ?? "")), { scope: "row" });
    const step = (v, head) => {
      const made = html("td", "number event", Number.isInteger(v) ? count(v) : "–");
      made.dataset.head = head;
      return made;
    };
    const end = html("td", "", run.end ?? "–", html("span", "rule", run.why ?? ""));
    return html("tr", "", name, html("td", "", run.state), end, step(run.memorised, "memorised"), step(run.grokked, "generalised"), step(run.last_step, "last step"));
  });
  const head = html("thead", "", html("tr", "", ...["run", "state", "ended as", "memorised", "generalised", "last step"].map((w) => Object.assign(html("th", "", w), { scope: "col" }))));
  const started = cell.runs.filter((run) => run.state !== "pending").slice(0, 12);
  const compare = html("a", "", "Compare them");
  compare.href = `/compare?${new URLSearchParams(started.map((run) => ["run", run.folder]))}`;
  const title = html("h2", "", named(cell));
  document.getElementById("cell").replaceChildren(title, html("table", "runs", head, html("tbody", "", ...rows)), html("p", "", started.length > 1 ? compare : ""));
}

function drawLegend(show, scale) {
  const host = document.getElementById("legend");
  if (counted(show)) {
    const entry = ({ name, words, mark, colour: paint }) => {
      const swatch = html("span", "swatch");
      swatch.style.background = paint;
      return html("span", "entry", swatch, show === "end" ? `${mark} ${name}: ${words}` : words);
    };
    const used = kinds(show).filter((kind) => show === "outcome" || study.runs.some(kind.of));
    const rule = show === "end" ? "numbers are runs; first steps with 90 % training and test accuracy, 1000 steps apart (Liu et al. 2022), within the steps of the study" : "n/m: runs of the commonest kind, of all in the cell";
    host.replaceChildren(...used.map(entry), html("span", "quiet", rule));
  } else {
    const range = scale.any ? `${value(scale.low)} (light) to ${value(scale.high)} (dark) steps, logarithmic` : "no run has such a step";
    host.replaceChildren(html("span", "quiet", `${range}; runs without it count as later; n/m: runs that have it, of all in the cell`));
  }
}

for (const name of ["x", "y", "show"]) {
  form[name].addEventListener("change", () => {
    setQuery({ x: form.x.value, y: form.y.value, show: form.show.value, cell: "" }, true);
    document.getElementById("cell").replaceChildren();
    draw();
  });
}
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("popstate", load);
themeButton(() => study && draw());
load();

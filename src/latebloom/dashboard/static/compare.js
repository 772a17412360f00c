// Several runs beside each other, aligned on step 0 or on an event.

import { ask, path, query, setQuery } from "./ask.js";
import { count, value } from "./format.js";
import { evenScale, powerScale, shareScale } from "./scales.js";
import { html, joined, svg, through } from "./svg.js";
import { themeButton } from "./theme.js";

const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6d3b", "#7b61a8"];
const DASHES = ["", "7 4", "2 3"];
const [LEFT, BOTTOM, TOP] = [54, 34, 22];
const form = document.getElementById("choice");
const said = document.getElementById("said");
let told = null;

const look = (i) => ({ stroke: COLOURS[i % COLOURS.length], dash: DASHES[Math.floor(i / COLOURS.length) % DASHES.length] });

async function load() {
  const runs = query().getAll("run");
  fillKnown();
  if (!runs.length) {
    said.textContent = "Tick runs in the list and press Compare, or add one here.";
    return;
  }
  try {
    told = await ask(`/api/compare?${new URLSearchParams([...query()].filter(([name]) => name === "run" || name === "measure"))}`);
  } catch (error) {
    said.textContent = error.message;
    return;
  }
  said.textContent = "";
  fillForm();
  fillTable();
  draw();
}

async function fillKnown() {
  const { rows } = await ask("/api/runs").catch(() => ({ rows: [] }));
  document.getElementById("known").replaceChildren(...rows.map((row) => new Option("", row.folder)));
}

function fillForm() {
  const events = [...new Set(told.runs.flatMap((run) => Object.entries(run.events).filter(([, step]) => step !== null).map(([name]) => name)))];
  const now = query().get("align") ?? "";
  const options = [["", "step 0"], ...events.map((name) => [name, name])];
  form.align.replaceChildren(...options.map(([v, words]) => new Option(words, v, false, v === now)));
  const less = query().get("less") ?? "";
  form.less.replaceChildren(new Option("values", ""), ...told.runs.map((run) => new Option(`difference from ${run.folder}`, run.folder, false, run.folder === less)));
  const shown = new Set(told.measures.map((m) => m.name));
  form.measure.replaceChildren(new Option("choose …", ""), ...told.names.filter((n) => !shown.has(n)).map((n) => new Option(n, n)));
}

function fillTable() {
  const differs = Object.keys(told.runs[0]?.differs ?? {}).filter((name) => !/^(sources|fork$|fork\.(parent|step)$)/.test(name));
  // an event that no run has would only widen the table
  const events = [...new Set(told.runs.flatMap((run) => Object.keys(run.events).filter((name) => run.events[name] !== null)))];
  const head = (words) => Object.assign(html("th", "", words), { scope: "col" });
  document.querySelector("#runs thead").replaceChildren(html("tr", "", head("run"), head("state"), ...events.map(head), ...differs.map(head), head("")));
  const rows = told.runs.map((run, i) => {
    const sample = svg("svg", { width: 28, height: 10, "aria-hidden": "true" }, svg("path", { class: "run-line swatch-line", d: "M1 5H27", stroke: look(i).stroke, "stroke-dasharray": look(i).dash }));
    const link = html("a", "", run.folder);
    link.href = `/run/${path(run.folder)}`;
    const name = Object.assign(html("th", "", sample, " ", link, html("span", "rule", run.about)), { scope: "row" });
    const remove = html("button", "act", "remove");
    remove.type = "button";
    remove.setAttribute("aria-label", `remove ${run.folder}`);
    remove.addEventListener("click", () => change({ run: query().getAll("run").filter((folder) => folder !== run.folder) }));
    const steps = events.map((event) => html("td", "number", run.events[event] === undefined || run.events[event] === null ? "–" : count(run.events[event])));
    const values = differs.map((name) => html("td", "number", typeof run.differs[name] === "number" ? String(run.differs[name]) : JSON.stringify(run.differs[name]) ?? "–"));
    return html("tr", "", name, html("td", "", run.state), ...steps, ...values, html("td", "", remove));
  });
  document.querySelector("#runs tbody").replaceChildren(...rows);
}

// The step of each run at the place 0; runs without the event are left out, and that is said.
function origins() {
  const align = query().get("align") ?? "";
  return told.runs.map((run) => (align ? (run.events[align] ?? null) : 0));
}

function draw() {
  const at = origins();
  const without = told.runs.filter((_, i) => at[i] === null).map((run) => run.folder);
  const base = told.runs.findIndex((run) => run.folder === query().get("less"));
  said.textContent = without.length ? `Not drawn, since they have no such event: ${without.join(", ")}.` : "";
  if (base >= 0) said.append(` Shown is each run less ${told.runs[base].folder}; of losses, each run divided by it.`);
  const figures = told.measures.map((measure) => {
    const figure = html("figure");
    const title = html("h3", "", measure.title);
    title.title = `${measure.name}: ${measure.formula}`;
    const host = html("div", "plot");
    figure.append(html("figcaption", "", title, html("code", "quiet", measure.name)), host);
    return { figure, host, measure };
  });
  document.getElementById("figures").replaceChildren(...figures.map((f) => f.figure));
  for (const { host, measure } of figures) drawOne(host, measure, at, base);
}

// The runs that have a number, each with its points (place on the axis, value); with a base, what is left of it.
function curvesOf(name, log, at, base) {
  const runs = told.runs.map((run, i) => ({ run, i })).filter(({ run, i }) => at[i] !== null && run.curves[name]);
  const found = runs.map(({ run, i }) => ({ run, i, points: run.steps.map((step, j) => [step - at[i], run.curves[name][j]]).filter(([, v]) => v !== null) }));
  if (base < 0) return found;
  const under = found.find(({ i }) => i === base)?.points;
  if (!under?.length) return [];
  const apart = ([x, v]) => {
    const below = between(under, x);
    return [x, below === null ? null : log ? v / below : v - below];
  };
  return found.filter(({ i }) => i !== base).map((one) => ({ ...one, points: one.points.map(apart).filter(([, v]) => Number.isFinite(v)) }));
}

// A curve's value at a place: on the straight line between its neighbours, nothing beyond its ends.
function between(points, x) {
  const after = points.findIndex(([at]) => at >= x);
  if (after < 0) return null;
  const [right, high] = points[after];
  if (right === x) return high;
  if (!after) return null;
  const [left, low] = points[after - 1];
  return low + ((x - left) / (right - left)) * (high - low);
}

function drawOne(host, measure, at, base) {
  const width = Math.max(host.clientWidth, 240);
  const height = 250;
  const log = measure.scale === "log";
  const drawable = (v) => v !== null && (!log || v > 0);
  const runs = curvesOf(measure.name, log, at, base);
  const xs = runs.flatMap(({ points }) => points.map(([x]) => x));
  const ys = runs.flatMap(({ points }) => points.map(([, v]) => v).filter(drawable));
  const root = svg("svg", { width, height, role: "img", "aria-label": describe(measure, runs) });
  host.replaceChildren(root);
  if (!ys.length) return;
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const scale = measure.scale === "share" && base < 0 ? shareScale(height - BOTTOM, TOP) : (measure.scale === "log" ? powerScale : evenScale)(low, high, height - BOTTOM, TOP);
  const across = evenScale(Math.min(...xs), Math.max(...xs), LEFT, width - 8, Math.floor(width / 110), true);
  const label = (words, x, y, anchor) => root.append(svg("text", { x, y, "text-anchor": anchor }, words));
  for (const [v, words] of scale.ticks) {
    root.append(svg("line", { x1: LEFT, x2: width - 8, y1: scale.at(v), y2: scale.at(v), class: "grid" }));
    label(words, LEFT - 6, scale.at(v) + 4, "end");
  }
  for (const [v, words] of across.ticks) label(words, across.at(v), height - BOTTOM + 16, across.at(v) > width - 30 ? "end" : "middle");
  root.append(svg("line", { x1: LEFT, x2: width - 8, y1: height - BOTTOM, y2: height - BOTTOM, class: "axis" }));
  const align = query().get("align");
  label(align ? `training steps after ${align}` : "training step", width - 8, height - 3, "end");
  const unit = base < 0 ? measure.unit : log ? "ratio" : `${measure.unit}, difference`;
  label(unit + (log ? ", logarithmic" : ""), 2, 12, "start");
  // the steps at which runs were forked; aligned on an event they would be as many as there are runs
  for (const x of align ? [] : new Set(runs.map(({ run }) => run.events.forked ?? null))) {
    if (x === null) continue;
    root.append(svg("line", { x1: across.at(x), x2: across.at(x), y1: TOP, y2: height - BOTTOM, class: "event-line" }));
    label("fork", across.at(x) + 4, TOP + 10, "start");
  }
  if (align) root.append(svg("line", { x1: across.at(0), x2: across.at(0), y1: TOP, y2: height - BOTTOM, class: "event-line" }));
  for (const { run, i, points } of runs) {
    const places = points.map(([x, v]) => (drawable(v) ? [across.at(x), scale.at(v)] : null));
    const d = through(places);
    for (const [cx, cy] of joined(places) ? [] : places.filter(Boolean)) root.append(svg("circle", { cx, cy, r: 3, fill: look(i).stroke }));
    root.append(svg("path", { class: "run-line", d, stroke: look(i).stroke, "stroke-dasharray": look(i).dash }, svg("title", {}, run.folder)));
  }
}

function describe(measure, runs) {
  const ends = runs.map(({ run, points }) => `${run.folder} ends at ${value(points.at(-1)?.[1] ?? null)}`);
  return `${measure.title}: ${ends.join("; ")}`;
}

function change(changes) {
  setQuery(changes, true);
  load();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const folder = form.add.value.trim();
  if (folder) change({ run: [...query().getAll("run"), folder] });
  form.add.value = "";
});
form.align.addEventListener("change", () => {
  setQuery({ align: form.align.value }, true);
  draw();
});
form.less.addEventListener("change", () => {
  setQuery({ less: form.less.value }, true);
  draw();
});
form.measure.addEventListener("change", () => {
  const shown = told.measures.map((m) => m.name);
  if (form.measure.value) change({ measure: [...shown, form.measure.value] });
});
addEventListener("popstate", load);
addEventListener("resize", () => told && draw());
themeButton(() => told && draw());
load();

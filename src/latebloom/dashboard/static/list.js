// The list of runs: filters, sorting and pages are in the address.

import { ask, path, post, query, setQuery } from "./ask.js";
import { count } from "./format.js";
import { html, svg, through } from "./svg.js";
import { themeButton } from "./theme.js";

const [form, said] = [document.getElementById("filters"), document.getElementById("said")];
const body = document.querySelector("tbody");
const chosen = new Set();
let shown = null;

const WORDS = ["q", "state", "group", "sort", "descending", "page"];

async function load() {
  const asked = new URLSearchParams([...query()].filter(([name]) => WORDS.includes(name)));
  try {
    shown = await ask(`/api/runs?${asked}`);
  } catch (error) {
    said.textContent = error.message;
    return;
  }
  fillFilters();
  fillHeads();
  body.replaceChildren(...shown.rows.map(rowOf));
  const none = shown.total ? "No run fits these filters." : "No runs here yet: `latebloom run` makes one.";
  const many = shown.found === shown.total ? `${count(shown.total)} runs` : `${count(shown.found)} of ${count(shown.total)} runs`;
  said.textContent = shown.found ? many : none;
  if (shown.rows.length && shown.rows.every((row) => row.example) && shown.total === 1) {
    said.textContent = "No runs of yours yet: `latebloom run` makes one. Meanwhile here is one that ships with latebloom.";
  }
  fillPages();
  drawCurves(shown.rows.map((row) => row.folder));
}

function fillFilters() {
  const now = query();
  if (document.activeElement !== form.q) form.q.value = now.get("q") ?? "";
  const groups = [["", "all groups"], ...shown.groups.map((g) => [g, g])];
  form.group.replaceChildren(...groups.map(([value, words]) => new Option(words, value, false, value === (now.get("group") ?? ""))));
  const states = [["", "all", shown.total], ...Object.entries(shown.states).map(([s, n]) => [s, s, n])];
  const buttons = states.map(([value, words, n]) => {
    const button = html("button", "state-filter", `${words} ${count(n)}`);
    button.type = "button";
    button.setAttribute("aria-pressed", String(value === (now.get("state") ?? "")));
    button.addEventListener("click", () => change({ state: value, page: "" }));
    return button;
  });
  const legend = form.querySelector("legend");
  form.querySelector("#states").replaceChildren(legend, ...buttons);
}

function fillHeads() {
  const sort = query().get("sort") ?? "updated";
  const descending = (query().get("descending") ?? "true") === "true";
  for (const head of document.querySelectorAll("th[data-sort]")) {
    head.setAttribute("aria-sort", head.dataset.sort !== sort ? "none" : descending ? "descending" : "ascending");
  }
}

function rowOf(row) {
  const box = html("input");
  box.type = "checkbox";
  box.checked = chosen.has(row.folder);
  box.setAttribute("aria-label", `compare ${row.folder}`);
  box.addEventListener("change", () => {
    chosen[box.checked ? "add" : "delete"](row.folder);
    showChosen();
  });
  const link = html("a", "", row.folder);
  link.href = `/run/${path(row.folder)}`;
  const about = html("span", "rule", row.about);
  if (row.example) about.prepend(html("span", "state", "example"), " ", Object.assign(html("a", "", "tour of grokking"), { href: "/tour" }), " · ");
  const name = html("th", "", link, about);
  name.scope = "row";
  const state = html("td", "about-state", html("span", "state", row.state));
  state.firstChild.dataset.state = row.state;
  if (row.error) state.append(html("span", "rule", row.error));
  const done = row.total_steps ? (row.last_step ?? 0) / row.total_steps : 0;
  const step = html("td", "number", `${count(row.last_step ?? 0)}`, html("span", "rule", `of ${count(row.total_steps ?? 0)}`));
  if (row.state === "running") {
    const bar = html("progress");
    bar.value = done;
    bar.setAttribute("aria-label", "done");
    step.append(bar);
  }
  const curve = html("td", "curve");
  curve.dataset.folder = row.folder;
  const event = (name) => {
    const cell = html("td", "number event", row[name] === null ? (row.so_far ? "not yet" : "–") : count(row[name]));
    if (row.so_far && row[name] !== null) cell.append(html("span", "rule", " so far"));
    cell.dataset.head = name;
    return cell;
  };
  const updated = html("td", "rule", row.updated.replace("T", " ").replace("+00:00", ""));
  const cells = [html("td", "", box), name, state, step, curve, event("memorised"), event("grokked"), updated];
  return html("tr", "", ...cells);
}

async function drawCurves(folders) {
  if (!folders.length) return;
  const asked = new URLSearchParams(folders.map((folder) => ["run", folder]));
  const curves = await ask(`/api/curves?${asked}`).catch(() => ({}));
  for (const cell of body.querySelectorAll(".curve")) {
    const curve = curves[cell.dataset.folder];
    if (curve?.step) cell.replaceChildren(smallCurve(curve));
  }
}

function smallCurve(curve) {
  const [width, height] = [150, 34];
  const last = Math.log1p(curve.step.at(-1)) || 1;
  const at = (values) => values.map((v, i) => (v === null ? null : [2 + (Math.log1p(curve.step[i]) / last) * (width - 4), 3 + (1 - v) * (height - 6)]));
  const lines = [["test_accuracy", "test"], ["train_accuracy", "train"]].filter(([name]) => curve[name]);
  const label = lines.map(([name, words]) => `${words} ${curve[name].at(-1) ?? "not finite"}`).join(", ");
  const root = svg("svg", { width, height, role: "img", "aria-label": `accuracy at the end: ${label}` });
  for (const [name, role] of lines) root.append(svg("path", { class: `line ${role}`, d: through(at(curve[name])) }));
  return root;
}

function fillPages() {
  const { page, pages } = shown;
  const host = document.getElementById("pages");
  const link = (words, to, off) => {
    const button = html("button", "act", words);
    button.type = "button";
    button.disabled = off;
    button.addEventListener("click", () => change({ page: to }, true));
    return button;
  };
  host.hidden = pages < 2;
  host.replaceChildren(link("‹ before", page - 1, page <= 1), html("span", "", `page ${page} of ${pages}`), link("next ›", page + 1, page >= pages));
}

function showChosen() {
  const button = document.getElementById("compare");
  button.disabled = chosen.size < 2;
  button.textContent = chosen.size < 2 ? "Compare (tick two or more)" : `Compare ${chosen.size} runs`;
}

function change(changes, push = true) {
  setQuery(changes, push);
  load();
}

function listen() {
  let waiting = 0;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.q.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change({ q: form.q.value, page: "" }, false), 150);
  });
  form.group.addEventListener("change", () => change({ group: form.group.value, page: "" }));
  for (const head of document.querySelectorAll("th[data-sort]")) {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "none" ? head.dataset.sort === "updated" : head.getAttribute("aria-sort") !== "descending";
      change({ sort: head.dataset.sort, descending: String(descending), page: "" });
    });
  }
  document.getElementById("compare").addEventListener("click", () => {
    location.href = `/compare?${new URLSearchParams([...chosen].map((folder) => ["run", folder]))}`;
  });
  addEventListener("popstate", load);
}

// Runs under way are looked at again, as long as the page is.
setInterval(() => {
  if (!document.hidden && shown?.rows.some((row) => row.state === "running")) load();
}, 3000);

async function offerStart() {
  const jobs = await ask("/api/jobs").catch(() => ({ allowed: false }));
  if (!jobs.allowed) return;
  document.getElementById("start").hidden = false;
  const start = document.getElementById("start-form");
  start.preset.replaceChildren(...jobs.presets.map((name) => new Option(name, name, name === "quick", name === "quick")));
  start.addEventListener("submit", async (event) => {
    event.preventDefault();
    const lines = start.settings.value.split("\n").filter((line) => line.trim());
    const settings = Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2).map((word) => word.trim())));
    try {
      const { folder } = await post("/api/jobs", { preset: start.preset.value, settings });
      said.textContent = `${folder} is starting …`;
      let looks = 30;
      const look = async () => {
        await load();
        if (looks-- && !shown.rows.some((row) => row.folder === folder)) setTimeout(look, 2000);
      };
      setTimeout(look, 2000);
    } catch (error) {
      said.textContent = error.message;
    }
  });
}

themeButton(() => shown && drawCurves(shown.rows.map((row) => row.folder)));
listen();
showChosen();
load();
offerStart();

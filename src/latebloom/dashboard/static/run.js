// A run's page: the report's figures on one time line, the network inside, and what comes while it trains.

import { drawFigures } from "./all.js";
import { ask, path, post, query, setQuery } from "./ask.js";
import { nearestRow, readData } from "./data.js";
import { count } from "./format.js";
import { showForks } from "./forks.js";
import { insidePanels } from "./inside.js";
import { html } from "./svg.js";
import { themeButton, tooltips } from "./theme.js";
import { Timeline } from "./timeline.js";
import { tour } from "./tour.js";

const folder = document.getElementById("actions").dataset.folder;
const data = readData(document.getElementById("data"));
const time = new Timeline(data.steps);

function start() {
  themeButton(() => time.steps.length && time.draw());
  tooltips();
  showActions();
  showForks(folder);
  if (data.steps.length) {
    const wanted = Number(query().get("step") ?? NaN);
    if (Number.isFinite(wanted)) time.row = nearestRow(data.steps, wanted, (step) => step);
    if (query().get("axis") === "linear") {
      time.axis = "linear";
      document.querySelector('#axis [value="linear"]').checked = true;
    }
    drawFigures(data, time, [insidePanels(folder, time), address()]);
    tour();
  }
  if (document.querySelector(".badge")?.dataset.state === "running") follow();
}

// The step and the axis are in the address, so that what is seen can be shared.
function address() {
  let waiting = 0;
  const write = () => {
    clearTimeout(waiting);
    // `row` is what was chosen; what is only pointed at is not kept
    waiting = setTimeout(() => {
      const end = time.row === time.steps.length - 1;
      setQuery({ step: end ? "" : time.steps[time.row], axis: time.axis === "log" ? "" : time.axis });
    }, 150);
  };
  return { draw: write, move: write };
}

// New rows are added to the curves as they come; when the run has ended the page is made anew, with all it then has.
function follow() {
  const badge = document.querySelector(".badge");
  const source = new EventSource(`/api/live/${path(folder)}?after=${data.steps.at(-1) ?? -1}`);
  source.addEventListener("message", (message) => {
    const told = unseen(JSON.parse(message.data));
    if (told.error) {
      source.close();
      badge.textContent = told.error;
      return;
    }
    if (told.steps.length && !data.steps.length) location.reload();
    if (told.steps.length) append(told);
    badge.textContent = `${told.state}: step ${count(data.steps.at(-1) ?? 0)} of ${count(told.total_steps ?? 0)}`;
    if (told.state !== "running") {
      source.close();
      location.reload();
    }
  });
}

// A connection that was lost is made anew with the first one's question, so rows come again that are drawn already.
function unseen(told) {
  const last = data.steps.at(-1) ?? -1;
  const first = told.steps.findIndex((step) => step > last);
  const from = first < 0 ? told.steps.length : first;
  const curves = Object.fromEntries(Object.entries(told.curves).map(([name, values]) => [name, values.slice(from)]));
  return { ...told, steps: told.steps.slice(from), curves };
}

function append(told) {
  const atEnd = time.row === time.steps.length - 1;
  data.steps.push(...told.steps);
  for (const [name, curve] of Object.entries(data.curves)) {
    const values = told.curves[name] ?? told.steps.map(() => false);
    curve.push(...values.map((v) => (v === false ? NaN : v)));
  }
  // the mark of a fork is no event, and stays
  const forked = data.events.filter((event) => event.name === "forked");
  if (told.events) data.events = [...told.events, ...forked];
  data.phases.splice(0, Infinity, ...(told.phases ?? data.phases));
  time.last = data.steps.at(-1);
  if (atEnd) time.row = data.steps.length - 1;
  time.draw();
}

async function showActions() {
  const host = document.getElementById("actions");
  const compare = html("a", "", "Compare with other runs");
  compare.href = `/compare?${new URLSearchParams({ run: folder })}`;
  host.replaceChildren(compare);
  const { twin } = host.dataset;
  if (twin) {
    const beside = html("a", "", "Compare with its twin");
    beside.href = `/compare?${new URLSearchParams([["run", folder], ["run", twin]])}`;
    host.prepend(beside);
  }
  const jobs = await ask("/api/jobs").catch(() => ({ allowed: false, running: [] }));
  if (!jobs.allowed) return;
  const state = document.querySelector(".badge")?.dataset.state ?? "done";
  // a run that was stopped is still among the running ones while its process ends
  const trains = state === "running" || state === "pending";
  const offers = trains && jobs.running.includes(folder) ? ["stop"] : trains || state === "done" ? [] : ["resume"];
  for (const what of offers) {
    const button = html("button", "act", what === "stop" ? "Stop" : "Go on with it");
    button.type = "button";
    button.addEventListener("click", () => act(what, button));
    host.append(button);
  }
}

async function act(what, button) {
  button.disabled = true;
  try {
    await post(`/api/${what}/${path(folder)}`);
    button.textContent = what === "stop" ? "stopping …" : "starting …";
    if (what === "resume") reloadWhenRunning();
  } catch (error) {
    button.after(html("span", "quiet", ` ${error.message}`));
  }
}

async function reloadWhenRunning() {
  const { rows } = await ask(`/api/runs?${new URLSearchParams({ q: folder })}`).catch(() => ({ rows: [] }));
  if (rows.some((row) => row.folder === folder && row.state === "running")) location.reload();
  else setTimeout(reloadWhenRunning, 1000);
}

start();

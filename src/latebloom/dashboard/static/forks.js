// The forks of a run, or of the run that this one was forked from: one line each, and all of them side by side.

import { ask, path } from "./ask.js";
import { count } from "./format.js";
import { html } from "./svg.js";

// As many as the page that compares takes, the twins among them.
const MOST = 12;

export async function showForks(folder) {
  const { parent, forks, found } = await ask(`/api/forks/${path(folder)}`).catch(() => ({ forks: [] }));
  if (!forks.length) return;
  const section = document.getElementById("forks");
  const head = ["change", "at step", "memorised", "grokked", "state", "", "beside its twin"];
  section.querySelector("thead").replaceChildren(html("tr", "", ...head.map((words) => Object.assign(html("th", "", words), { scope: "col" }))));
  section.querySelector("tbody").replaceChildren(...forks.map((fork) => row(fork, folder)));
  const of = parent === folder || !parent ? html("span", "", "Forks of this run") : html("span", "", "Forks of ", link(`/run/${path(parent)}`, parent));
  const twins = [...new Set(forks.map((fork) => fork.twin).filter(Boolean))];
  const shown = [...new Set([...twins, ...forks.map((fork) => fork.folder)])].slice(0, MOST);
  const words = `: ${found}${found > forks.length ? `, the first ${forks.length} listed` : ""}. `;
  const all = link(comparison(shown, twins.length === 1 ? twins[0] : ""), shown.length < MOST ? "All of them side by side" : `The first ${MOST} runs side by side`);
  section.querySelector("p").replaceChildren(of, words, all);
  section.hidden = false;
}

function row(fork, here) {
  const name = Object.assign(html("th", "", fork.change), { scope: "row" });
  const at = `${count(fork.step)}${fork.event ? ` (${fork.event})` : ""}`;
  const steps = [fork.memorised, fork.grokked].map((step) => html("td", "number", step === null ? "–" : count(step)));
  const page = fork.folder === here ? html("span", "", "this run") : link(`/run/${path(fork.folder)}`, fork.id);
  const twin = fork.twin && fork.twin !== fork.folder ? link(comparison([fork.twin, fork.folder], fork.twin), "compare") : "–";
  if (twin !== "–") twin.setAttribute("aria-label", `compare ${fork.id} with its twin`);
  return html("tr", "", name, html("td", "number", at), ...steps, html("td", "", fork.state), html("td", "", page), html("td", "", twin));
}

// Differences from a twin that all share; values where each has its own.
function comparison(folders, less) {
  return `/compare?${new URLSearchParams([...folders.map((folder) => ["run", folder]), ...(less ? [["less", less]] : [])])}`;
}

const link = (href, words) => Object.assign(html("a", "", words), { href });

// The bar at the foot of the page: play, scrub, what is shown now, and which axis.

import { count } from "./format.js";

const SECONDS = 10;

export function player(root, data, time) {
  const find = (id) => root.querySelector(`#${id}`);
  const [scrubber, now, play] = [find("scrubber"), find("now"), find("play")];
  const phaseAt = (step) => data.phases.findLast((phase) => phase.start <= step)?.title ?? "";

  const move = () => {
    const said = `step ${count(time.step)}`;
    now.replaceChildren(Object.assign(document.createElement("b"), { textContent: said }), ` ${phaseAt(time.step)}`);
    scrubber.setAttribute("aria-valuetext", `${said}, ${phaseAt(time.step)}`);
    if (time.hovered === null) scrubber.value = 10000 * time.share(time.steps[time.row]);
  };
  const draw = () => {
    const edges = data.phases.map((p) => `var(--${p.name}-mark) ${100 * time.share(p.start)}% ${100 * time.share(p.end)}%`);
    find("track").style.setProperty("--phases", edges.length ? `linear-gradient(to right, ${edges.join(", ")})` : "var(--grid)");
  };

  const stop = playing(play, time);
  scrubber.addEventListener("input", () => {
    stop();
    time.choose(time.rowOf(scrubber.value / 10000));
  });
  document.addEventListener("keydown", (event) => {
    const row = rowAfter(event, time);
    if (row === null || (event.target !== scrubber && event.target !== document.body)) return;
    event.preventDefault();
    stop();
    time.choose(row);
  });
  root.addEventListener("change", (event) => {
    if (event.target.name === "axis") time.setAxis(event.target.value);
  });
  root.hidden = false;
  return { draw, move };
}

// One log row an arrow, ten with Shift or a page key; Home and End only on the scrubber, since they also scroll.
function rowAfter(event, time) {
  if (event.ctrlKey || event.altKey || event.metaKey) return null;
  const onScrubber = event.target.id === "scrubber";
  const far = event.shiftKey ? 10 : 1;
  const moves = { ArrowLeft: -far, ArrowRight: far };
  if (onScrubber) {
    Object.assign(moves, { ArrowDown: -far, ArrowUp: far, PageDown: -10, PageUp: 10, Home: -Infinity, End: Infinity });
  }
  return event.key in moves ? time.row + moves[event.key] : null;
}

// The whole axis in ten seconds, at even speed along it. Returns how to stop.
function playing(button, time) {
  let before = null;
  let share = 0;
  const show = (on) => {
    button.classList.toggle("on", on);
    button.setAttribute("aria-label", on ? "Pause" : "Play the training");
  };
  const stop = () => {
    before = null;
    show(false);
  };
  const advance = (at) => {
    if (before === null) return;
    share += (at - before) / 1000 / SECONDS;
    before = at;
    time.choose(time.rowOf(share));
    if (share >= 1) stop();
    else requestAnimationFrame(advance);
  };
  button.addEventListener("click", () => {
    if (before !== null) return stop();
    share = time.share(time.steps[time.row]);
    if (share >= 1) share = 0;
    before = performance.now();
    show(true);
    requestAnimationFrame(advance);
  });
  return stop;
}

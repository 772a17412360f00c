// All figures of a run's page, and the player, on one time line.

import { lineFigure } from "./lines.js";
import { stackFigure } from "./stack.js";
import { heatFigure } from "./heat.js";
import { player } from "./player.js";

// Safari has no idle callbacks.
const whenIdle = window.requestIdleCallback ?? ((piece) => setTimeout(piece, 50));

const KINDS = { lines: lineFigure, stack: stackFigure, heat: heatFigure };

// `more` are further pieces that are drawn and moved with the figures.
export function drawFigures(data, time, more = []) {
  const pieces = data.figures.map((figure) => unfolded(figure, data, time));
  pieces.push(player(document.getElementById("player"), data, time), ...more);
  time.drawers = pieces.map((piece) => piece.draw);
  time.movers = pieces.map((piece) => piece.move);
  time.draw();
  let width = document.body.clientWidth;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    time.draw();
  }).observe(document.body);
}

// What is in sight is drawn and moved at once, the rest when the browser has nothing else to do: a page opens, and follows
// the hand, in the time that the figures in sight take. One that is behind is marked as busy. In closed details a figure
// has no width: it is drawn when they are opened.
function unfolded(figure, data, time) {
  const element = document.getElementById(figure.id);
  const folder = element.closest("details");
  let made = null;
  let stale = true;
  let seen = false;
  let behind = false;
  const catchUp = () => {
    if (behind) element.removeAttribute("aria-busy");
    behind = false;
    if (folder && !folder.open) return;
    made ??= KINDS[figure.kind](element, figure, data, time);
    if (stale) made.draw();
    stale = false;
    made.move();
  };
  const follow = () => {
    if (seen) return catchUp();
    if (behind) return;
    behind = true;
    element.setAttribute("aria-busy", "true");
    whenIdle(() => behind && catchUp());
  };
  const redraw = () => {
    stale = true;
    follow();
  };
  new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    if (seen && (stale || behind)) catchUp();
  }).observe(element);
  folder?.addEventListener("toggle", catchUp);
  // paper shows all, and waits for nothing
  addEventListener("beforeprint", () => {
    stale = true;
    catchUp();
  });
  return { draw: redraw, move: follow };
}

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

// A figure in closed details has no width: it is drawn when they are opened. One that is out of sight is moved when the
// browser has nothing else to do, so that those in sight keep pace.
function unfolded(figure, data, time) {
  const element = document.getElementById(figure.id);
  const { draw, move } = KINDS[figure.kind](element, figure, data, time);
  const folder = element.closest("details");
  const open = () => !folder || folder.open;
  const whole = () => {
    if (!open()) return;
    draw();
    move();
  };
  let seen = true;
  let waiting = 0;
  const follow = () => {
    waiting = 0;
    if (open()) move();
  };
  const moved = () => {
    if (seen) follow();
    else waiting ||= whenIdle(follow);
  };
  new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting;
    if (seen) follow();
  }).observe(element);
  folder?.addEventListener("toggle", whole);
  return { draw: whole, move: moved };
}

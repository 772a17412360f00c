// The report: every figure on one time line.

import { readData } from "./data.js";
import { Timeline } from "./timeline.js";
import { lineFigure } from "./lines.js";
import { stackFigure } from "./stack.js";
import { heatFigure, isDark } from "./heat.js";
import { player } from "./player.js";

const KINDS = { lines: lineFigure, stack: stackFigure, heat: heatFigure };

function start() {
  const data = readData(document.getElementById("data"));
  const time = new Timeline(data.steps);
  themeButton(time);
  tooltips();
  if (!data.steps.length) return;
  const pieces = data.figures.map((figure) =>
    KINDS[figure.kind](document.getElementById(figure.id), figure, data, time));
  pieces.push(player(document.getElementById("player"), data, time));
  for (const { draw, move } of pieces) {
    time.drawers.push(draw);
    time.movers.push(move);
  }
  time.draw();
  let width = document.body.clientWidth;
  new ResizeObserver(() => {
    if (document.body.clientWidth === width) return;
    width = document.body.clientWidth;
    time.draw();
  }).observe(document.body);
}

function themeButton(time) {
  const button = document.getElementById("theme");
  const show = () => (button.textContent = isDark() ? "light" : "dark");
  const redraw = () => {
    show();
    if (time.steps.length) time.draw();
  };
  const choose = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    redraw();
  };
  button.addEventListener("click", () => choose(isDark() ? "light" : "dark"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  button.hidden = false;
  show();
  forPrint(choose);
}

// On paper all is light, unfolded, and as wide as a page.
function forPrint(choose) {
  let before = "";
  addEventListener("beforeprint", () => {
    before = document.documentElement.dataset.theme ?? "";
    document.body.classList.add("paper");
    choose("light");
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  addEventListener("afterprint", () => {
    document.body.classList.remove("paper");
    choose(before);
  });
}

// Escape puts a definition away without moving the pointer or the focus.
function tooltips() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") document.body.classList.add("no-tooltips");
  });
  for (const kind of ["pointerover", "focusin"]) {
    document.addEventListener(kind, (event) => {
      if (event.target.closest?.(".about")) document.body.classList.remove("no-tooltips");
    });
  }
}

start();

// The report: every figure on one time line.

import { readData } from "./data.js";
import { drawFigures } from "./all.js";
import { Timeline } from "./timeline.js";
import { themeButton, tooltips } from "./theme.js";

function start() {
  const data = readData(document.getElementById("data"));
  const time = new Timeline(data.steps);
  themeButton(() => time.steps.length && time.draw());
  tooltips();
  if (data.steps.length) drawFigures(data, time);
}

start();

// A heat map of one array over the steps, and its row of bars at the step that is shown.

import { rowAt } from "./data.js";
import { count, value } from "./format.js";
import { Frame, text } from "./frame.js";
import { evenScale } from "./scales.js";
import { html, svg } from "./svg.js";

// Lightness alone carries the value, so that every eye reads it; the lowest colour is near the page's own.
const RAMP = {
  light: ["#f6fbf8", "#def5e5", "#8bdab2", "#40b7ad", "#348fa7", "#37659e", "#413d7b", "#2e1e3c"],
  dark: ["#1b1922", "#2e2440", "#413d7b", "#37659e", "#348fa7", "#40b7ad", "#8bdab2", "#e6fbec"],
};
const LABELLED = 5;
const WORTH_A_LABEL = 0.1;
const APART = 10;

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function colour(share) {
  const stops = RAMP[isDark() ? "dark" : "light"];
  const place = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(place), stops.length - 2);
  const parse = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const [from, to] = [parse(stops[i]), parse(stops[i + 1])];
  return from.map((v, c) => Math.round(v + (to[c] - v) * (place - i)));
}

export function heatFigure(element, figure, data, time) {
  const table = tableOf(data.arrays[figure.array]);
  const host = element.querySelector(".plot");
  const map = html("div", "map");
  const bars = html("div", "bars");
  const said = element.querySelector(".legend");
  host.replaceChildren(map, bars);
  let frame = null;
  let rows = null;

  const draw = () => {
    const height = Math.min(Math.max(table.columns.length * 10, 170), 400) + 80;
    frame = new Frame(map, time, [], { height, unit: table.axis });
    rows = layRows(table, frame);
    drawCells(map, frame, table, rows);
    drawRowTicks(frame, table, rows);
    frame.below.append(text(table.axis, 2, frame.top - 8, "start", "axis-name"));
    frame.drawEventLines(data.events);
    map.append(frame.root);
    drawRamp(element, table);
  };
  const move = () => {
    frame.drawMoment();
    const row = rowAt(table.steps, time.step);
    drawBars(bars, frame, table, rows, row);
    const best = table.order(row).slice(0, 3);
    const top = best.map((c) => `${table.labels[c]} (${value(table.at(row, c))})`).join(", ");
    said.textContent = `at step ${count(table.steps[row])} greatest at ${table.axis} ${top}`;
  };
  return { draw, move };
}

// A constant (label 0 of a frequency axis) stands apart: it is no frequency, and may dwarf the others.
function tableOf(array) {
  const width = array.labels.length;
  const at = (row, column) => array.values[row * width + column];
  const apart = array.axis === "frequency" ? array.labels.indexOf(0) : -1;
  const columns = array.labels.map((_, i) => i).filter((i) => i !== apart);
  let greatest = 0;
  for (let i = 0; i < array.values.length; i++) {
    if (i % width !== apart && Number.isFinite(array.values[i])) greatest = Math.max(greatest, Math.abs(array.values[i]));
  }
  const size = (row, column) => Math.abs(at(row, column));
  const order = (row) => columns.filter((c) => Number.isFinite(at(row, c))).sort((a, b) => size(row, b) - size(row, a));
  return { ...array, at, size, apart, columns, order, greatest: greatest || 1 };
}

// Where each column of the array lies: from the bottom up, the one that stands apart lowest.
function layRows(table, frame) {
  const foot = table.apart < 0 ? frame.bottom : frame.bottom - APART - 8;
  const each = (foot - frame.top) / Math.max(table.columns.length, 1);
  const rows = new Map(table.columns.map((column, i) => [column, { y: foot - (i + 1) * each, height: each }]));
  if (table.apart >= 0) rows.set(table.apart, { y: frame.bottom - APART, height: APART });
  return rows;
}

function drawCells(map, frame, table, rows) {
  const ratio = window.devicePixelRatio || 1;
  const canvas = html("canvas");
  const width = frame.right - frame.left;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(frame.options.height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${frame.options.height}px`;
  canvas.style.left = `${frame.left}px`;
  map.append(canvas);
  const context = canvas.getContext("2d");
  const spans = pixelSpans(frame, table, canvas.width, ratio);
  for (const [column, { y, height }] of rows) {
    // a hair less, so that one row's foot and the next one's head round to the same pixel
    const pixel = (place) => Math.round(place * ratio - 1e-6);
    const from = pixel(y);
    const tall = Math.max(1, pixel(y + height) - from);
    const line = context.createImageData(canvas.width, 1);
    spans.forEach(([first, last], px) => {
      let most = NaN;
      for (let row = first; row <= last; row++) {
        const v = table.size(row, column);
        if (!(most >= v)) most = v;
      }
      if (Number.isFinite(most)) line.data.set([...colour(most / table.greatest), 255], 4 * px);
    });
    for (let i = 0; i < tall; i++) context.putImageData(line, 0, from + i);
  }
}

// For each pixel the rows it shows: all that fall into it, else the nearest one.
function pixelSpans(frame, table, pixels, ratio) {
  const places = table.steps.map((step) => (frame.x(step) - frame.left) * ratio);
  const spans = [];
  let next = 0;
  for (let px = 0; px < pixels; px++) {
    const first = next;
    while (next < places.length && places[next] < px + 1) next++;
    if (next > first) spans.push([first, next - 1]);
    else {
      const after = Math.min(next, places.length - 1);
      const before = Math.max(next - 1, 0);
      const near = places[after] - px < px - places[before] ? after : before;
      spans.push([near, near]);
    }
  }
  return spans;
}

function drawRowTicks(frame, table, rows) {
  let free = Infinity;
  for (const [column, { y, height }] of rows) {
    const apart = column === table.apart;
    const middle = y + height / 2;
    const label = String(table.labels[column]);
    const round = !Number.isInteger(table.labels[column]) || table.labels[column] % 5 === 0 || column === table.columns[0];
    if (!apart && (!round || free - middle < 14)) continue;
    if (!apart) free = middle;
    frame.below.append(text(apart ? "constant" : label.slice(0, 12), frame.left - 7, middle + 4, "end", "tick"));
  }
}

function drawBars(host, frame, table, rows, row) {
  const width = Math.max(host.clientWidth, 80);
  const right = width - 46;
  const scale = evenScale(0, table.greatest, 0, right, width > 180 ? 4 : 2, true);
  const root = svg("svg", { width, height: frame.options.height, "aria-hidden": "true" });
  for (const [v, label] of scale.ticks) {
    root.append(svg("line", { x1: scale.at(v), x2: scale.at(v), y1: frame.top, y2: frame.bottom, class: "grid" }));
    root.append(text(label, Math.max(scale.at(v), 4), frame.bottom + 17, "middle", "tick"));
  }
  const least = WORTH_A_LABEL * table.greatest;
  const placed = [];
  const named = new Set(table.order(row).slice(0, LABELLED).filter((c) => table.size(row, c) > least));
  for (const [column, { y, height: tall }] of rows) {
    const v = table.size(row, column);
    if (!Number.isFinite(v)) continue;
    const [r, g, b] = colour(v / table.greatest);
    const gap = tall > 4 ? 1 : 0;
    const length = Math.min(scale.at(v), width);
    const shape = { x: 0, y: y + gap / 2, width: length, height: tall - gap };
    root.append(svg("rect", { class: "bar", ...shape, fill: `rgb(${r} ${g} ${b})` }));
    if (!named.has(column) || tall < 4) continue;
    const label = String(table.labels[column]);
    const middle = y + tall / 2 + 4;
    // a name stands clear of its neighbours' bars and names
    const near = [...rows].filter(([c, other]) => Math.abs(other.y - y) < 9 && Number.isFinite(table.size(row, c)));
    const taken = placed.filter((other) => Math.abs(other.middle - middle) < 11).map((other) => other.end);
    const from = Math.max(...near.map(([c]) => Math.min(scale.at(table.size(row, c)), right) + 5), ...taken);
    root.append(text(label, from, middle, "start", "bar-name"));
    placed.push({ middle, end: from + 7 * label.length + 5 });
  }
  root.append(text(`at step ${count(table.steps[row])}`, width, frame.bottom + 35, "end", "axis-name"));
  host.replaceChildren(root);
}

function drawRamp(element, table) {
  element.querySelector(".ramp")?.remove();
  const canvas = html("canvas");
  canvas.width = 128;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  const line = context.createImageData(128, 1);
  for (let i = 0; i < 128; i++) line.data.set([...colour(i / 127), 255], 4 * i);
  context.putImageData(line, 0, 0);
  const apart = table.apart < 0 ? "" : " The constant (0) has a row of its own.";
  const signs = table.values.some((v) => v < 0) ? " Negative values are drawn by their size." : "";
  const few = "A logged step's column reaches halfway to its neighbours; where several share a pixel, the greatest is shown.";
  const words = `${few}${apart}${signs}`;
  const most = html("span", "", value(table.greatest));
  element.append(html("div", "ramp", html("span", "", "0"), canvas, most, html("span", "quiet", words)));
}

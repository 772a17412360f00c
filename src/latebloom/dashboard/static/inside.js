// Inside the network at the step that is shown: circles, neurons, attention, logits, each over all pairs.

import { ask, path, query, setQuery, unpacked } from "./ask.js";
import { rowAt } from "./data.js";
import { count, value } from "./format.js";
import { colour, isDark } from "./heat.js";
import { html } from "./svg.js";

// Checkpoints that are fetched at most; of more, evenly spread ones.
const MOST_STEPS = 120;
const AT_ONCE = 2;
// Cells of all neurons: twice as many across as down.
const columns = (n) => Math.ceil(Math.sqrt(2 * n));

export function insidePanels(folder, time) {
  const section = document.getElementById("inside");
  const said = document.getElementById("inside-said");
  let panels = null;
  const without = (reason) => {
    said.textContent = `The network is not shown: ${reason}.`;
    section.hidden = false;
    section.querySelector(".inside").hidden = true;
  };
  ask(`/api/inside/${path(folder)}`).then(
    (sizes) => {
      if (sizes.reason) return without(sizes.reason);
      section.hidden = false;
      panels = new Panels(folder, time, spread(sizes), section, said);
    },
    (error) => without(error.message),
  );
  return { draw: () => panels?.repaint(), move: () => panels?.show() };
}

function spread(sizes) {
  const { steps } = sizes;
  if (steps.length <= MOST_STEPS) return sizes;
  const kept = new Set(Array.from({ length: MOST_STEPS }, (_, i) => Math.round((i * (steps.length - 1)) / (MOST_STEPS - 1))));
  return { ...sizes, steps: steps.filter((_, i) => kept.has(i)) };
}

class Panels {
  constructor(folder, time, sizes, section, said) {
    Object.assign(this, { folder, time, sizes, section, said });
    this.tables = new Map();
    this.asking = new Map();
    this.greatest = {};
    this.lacking = "";
    this.painted = null;
    this.choice = chosen(sizes);
    this.fields = fields(section, sizes, this.choice, (changes) => this.choose(changes));
    this.tiles = tilesOf(section, sizes);
    this.cells = neuronGrid(section, sizes, (neuron) => this.choose({ neuron }));
    this.luts = {};
    this.show();
  }

  // The checkpoint in force at the step that is shown.
  get step() {
    return this.sizes.steps[rowAt(this.sizes.steps, this.time.step)];
  }

  choose(changes) {
    Object.assign(this.choice, changes);
    this.fields(this.choice);
    const { block, neuron, position, answer } = this.choice;
    setQuery({ block: block || "", neuron, position: position || "", answer: answer || "" });
    this.tables.clear();
    for (const controller of this.asking.values()) controller.abort();
    this.asking.clear();
    this.greatest = {};
    this.lacking = "";
    this.painted = null;
    this.show();
  }

  // The shown step first, then its neighbours, until all are here.
  fetchNext() {
    const at = this.sizes.steps.indexOf(this.step);
    const missing = this.sizes.steps.filter((step) => !this.tables.has(step) && !this.asking.has(step));
    missing.sort((a, b) => Math.abs(this.sizes.steps.indexOf(a) - at) - Math.abs(this.sizes.steps.indexOf(b) - at));
    // what is shown comes alone: the server computes one after the other
    const most = this.tables.has(this.step) ? AT_ONCE : 1;
    while (this.asking.size < most && missing.length) this.fetch(missing.shift());
    const here = this.tables.size;
    const all = this.sizes.steps.length;
    this.said.textContent = this.lacking || (here < all ? `${here} of ${all} checkpoints are here.` : "");
  }

  async fetch(step) {
    const controller = new AbortController();
    this.asking.set(step, controller);
    const asked = new URLSearchParams({ step, ...this.choice });
    try {
      const answer = await fetch(`/api/tables/${path(this.folder)}?${asked}`, { signal: controller.signal });
      if (!answer.ok) throw new Error((await answer.json()).error);
      const table = unpacked(await answer.arrayBuffer());
      if (controller.signal.aborted) return;
      this.tables.set(step, table);
      this.measure(table);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.lacking = error.message;
      // what cannot be had is not asked for again and again
      this.tables.set(step, null);
    }
    this.asking.delete(step);
    const whole = this.tables.size === this.sizes.steps.length;
    // what was painted before had a scale without the later checkpoints
    if (whole) this.painted = null;
    if (whole || step === this.step) this.show();
    else this.fetchNext();
  }

  // One scale for all checkpoints of a table, so that growth is seen.
  measure(table) {
    for (const [name, { values }] of Object.entries(table.arrays)) {
      const known = (this.greatest[name] ??= { low: Infinity, high: -Infinity });
      for (const v of values) {
        if (v < known.low) known.low = v;
        if (v > known.high) known.high = v;
      }
    }
  }

  repaint() {
    this.painted = null;
    this.luts = {};
    this.show();
  }

  show() {
    const { step } = this;
    const table = this.tables.get(step);
    if (table && this.painted !== step) {
      this.paint(table);
      this.painted = step;
    }
    this.fetchNext();
  }

  paint(table) {
    const { arrays } = table;
    const at = `checkpoint of step ${count(table.step)}`;
    const scale = this.greatest;
    if (arrays.circles) this.paintCircles(arrays.circles, at);
    if (arrays.neuron) {
      const range = union(scale.neuron, scale.fitted);
      this.map(this.tiles.neuron[0], arrays.neuron.values, range);
      this.map(this.tiles.neuron[1], arrays.fitted.values, range);
      const fit = table.frequency ? `frequency ${table.frequency} explains ${value(table.share)} of its variance` : "it never changes";
      legend(this.section, "neuron", `${fit}, ${at}`, this.ramp(range));
      this.cells.paint(arrays.best.values, arrays.fve.values);
      legend(this.section, "neurons", `${clustered(arrays.fve.values)} of ${arrays.fve.values.length} over 0.85, ${at}`);
    }
    this.map(this.tiles.logit[0], arrays.logit.values, scale.logit);
    legend(this.section, "logit", at, this.ramp(scale.logit));
    if (arrays.attention) {
      const [heads] = arrays.attention.shape;
      const size = arrays.attention.values.length / heads;
      for (let h = 0; h < heads; h++) this.map(this.tiles.heads[h], arrays.attention.values.subarray(h * size, (h + 1) * size), { low: 0, high: 1 });
      legend(this.section, "heads", `weight from the last position, ${at}`, this.ramp({ low: 0, high: 1 }));
    }
  }

  map(canvas, values, { low, high }) {
    const order = this.sizes.order;
    if (canvas.width !== order) [canvas.width, canvas.height] = [order, order];
    const lut = this.lut();
    const context = canvas.getContext("2d");
    const image = (canvas.image ??= context.createImageData(order, order));
    const cells = new Uint32Array(image.data.buffer);
    const factor = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < values.length; i++) {
      const place = (values[i] - low) * factor;
      // a whole number: any other is looked up as a name, which took nearly all of a repaint; what is no number is lowest
      cells[i] = lut[place > 0 ? (place < 255 ? (place + 0.5) | 0 : 255) : 0];
    }
    context.putImageData(image, 0, 0);
  }

  // The colours with the numbers at their ends.
  ramp({ low, high }) {
    const canvas = html("canvas");
    [canvas.width, canvas.height] = [64, 1];
    const context = canvas.getContext("2d");
    const image = context.createImageData(64, 1);
    new Uint32Array(image.data.buffer).set(Array.from({ length: 64 }, (_, i) => this.lut()[4 * i]));
    context.putImageData(image, 0, 0);
    return html("span", "ends", value(low), canvas, value(high));
  }

  // 256 colours as a pixel holds them.
  lut() {
    const theme = isDark() ? "dark" : "light";
    return (this.luts[theme] ??= Uint32Array.from({ length: 256 }, (_, i) => {
      const [r, g, b] = colour(i / 255);
      return (255 << 24) | (b << 16) | (g << 8) | r;
    }));
  }

  paintCircles({ shape, values }, at) {
    const [frequencies, order] = shape;
    const colours = wheel(order);
    const { low, high } = this.greatest.circles;
    const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
    for (let f = 0; f < frequencies; f++) {
      const canvas = this.tiles.circles[f];
      const size = 280;
      if (canvas.width !== size) [canvas.width, canvas.height] = [size, size];
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, size, size);
      const k = this.sizes.circles[f];
      for (let a = 0; a < order; a++) {
        const x = size / 2 + (values[2 * (f * order + a)] / reach) * (size / 2 - 10);
        const y = size / 2 - (values[2 * (f * order + a) + 1] / reach) * (size / 2 - 10);
        context.fillStyle = colours[(k * a) % order];
        context.fillRect(x - 3, y - 3, 6, 6);
      }
    }
    legend(this.section, "circles", `W_E along its waves of each key frequency k of the newest network, colour k·a mod ${order}, ${at}`);
  }
}

// What the address asks for, within what there is.
function chosen(sizes) {
  const now = query();
  const within = (name, most) => Math.min(Math.max(Math.trunc(Number(now.get(name))) || 0, 0), Math.max(most - 1, 0));
  const blocks = Object.keys(sizes.layers).map(Number);
  const block = blocks.includes(within("block", 99)) ? within("block", 99) : (blocks.at(-1) ?? 0);
  const neuron = now.has("neuron") ? within("neuron", sizes.layers[block] ?? 1) : (sizes.telling[block] ?? 0);
  return { block, neuron, position: within("position", sizes.positions), answer: within("answer", sizes.classes) };
}

function fields(section, sizes, choice, choose) {
  const field = (name) => section.querySelector(`[name="${name}"]`);
  const options = (host, values) => host.replaceChildren(...values.map((v) => new Option(v, v)));
  options(field("block"), Object.keys(sizes.layers));
  options(field("position"), Array.from({ length: sizes.positions }, (_, i) => i));
  section.querySelector(".block").hidden = Object.keys(sizes.layers).length < 2;
  for (const id of ["neuron", "neurons"]) section.querySelector(`#${id}`).hidden = !Object.keys(sizes.layers).length;
  section.querySelector("#heads").hidden = !sizes.positions;
  section.querySelector("#circles").hidden = !sizes.circles.length;
  const most = { neuron: () => sizes.layers[choice.block] ?? 1, answer: () => sizes.classes };
  for (const name of ["neuron", "answer"]) {
    field(name).addEventListener("input", () => {
      const wanted = Number(field(name).value);
      if (Number.isInteger(wanted) && wanted >= 0 && wanted < most[name]()) choose({ [name]: wanted });
    });
  }
  field("block").addEventListener("change", () => choose({ block: Number(field("block").value), neuron: sizes.telling[field("block").value] ?? 0 }));
  field("position").addEventListener("change", () => choose({ position: Number(field("position").value) }));
  const fill = (now) => {
    for (const name of ["block", "neuron", "position", "answer"]) if (field(name) !== document.activeElement) field(name).value = now[name];
    field("neuron").max = most.neuron() - 1;
    field("answer").max = most.answer() - 1;
  };
  fill(choice);
  return fill;
}

function tilesOf(section, sizes) {
  const fill = (id, names, round = false) => {
    const tiles = names.map((name) => {
      const canvas = html("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", name);
      const words = html("p", "", html("span", "", name));
      return html("div", `tile${round ? " round" : ""}`, canvas, words);
    });
    section.querySelector(`#${id} .small-multiples`).replaceChildren(...tiles);
    return tiles.map((tile) => tile.firstChild);
  };
  const heads = Math.max(0, ...Object.values(sizes.heads));
  return {
    circles: fill("circles", sizes.circles.map((k) => `k = ${k}`), true),
    neuron: fill("neuron", ["activation: a down, b across", "the fit by one frequency"]),
    logit: fill("logit", ["a down, b across"]),
    heads: fill("heads", Array.from({ length: heads }, (_, h) => `head ${h}: a down, b across`)),
  };
}

// All neurons of a layer as cells: hue by frequency, paler the less it explains. A press opens one.
function neuronGrid(section, sizes, choose) {
  const canvas = html("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "neurons, coloured by the frequency that explains most of each; a press opens one");
  const key = sizes.keys.map((k, i) => {
    const swatch = html("span", "swatch");
    swatch.style.background = hue(i, sizes.keys.length);
    return html("span", "entry", swatch, `k = ${k}`);
  });
  const words = html("span", "quiet", "grey: other frequencies; paler: less of the neuron explained");
  section.querySelector("#neurons .map-host").replaceChildren(canvas, html("div", "legend", ...key, words));
  let n = 0;
  const cell = 16;
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const across = Math.floor(((event.clientX - box.left) / box.width) * columns(n));
    const down = Math.floor(((event.clientY - box.top) / box.height) * Math.ceil(n / columns(n)));
    const number = down * columns(n) + across;
    if (number < n) choose(number);
  });
  const paint = (best, fve) => {
    n = best.length;
    const wide = columns(n);
    const [width, height] = [wide * cell, Math.ceil(n / wide) * cell];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const ranks = new Map(sizes.keys.map((k, i) => [k, i]));
    const colours = wheel(Math.max(sizes.keys.length, 1));
    for (let i = 0; i < n; i++) {
      context.globalAlpha = Number.isFinite(fve[i]) ? 0.15 + 0.85 * fve[i] ** 2 : 0.08;
      context.fillStyle = ranks.has(best[i]) ? colours[ranks.get(best[i])] : "#8a929c";
      context.fillRect((i % wide) * cell, Math.floor(i / wide) * cell, cell - 1, cell - 1);
    }
    context.globalAlpha = 1;
  };
  return { paint };
}

const hue = (i, n) => `oklch(${isDark() ? 0.76 : 0.6} 0.14 ${(360 * i) / n})`;

// All colours of a circle of n, made once for each theme: to ask for the theme at every point took most of a repaint.
const wheels = new Map();
function wheel(n) {
  const key = `${isDark()} ${n}`;
  if (!wheels.has(key)) wheels.set(key, Array.from({ length: n }, (_, i) => hue(i, n)));
  return wheels.get(key);
}

const union = (a, b) => ({ low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) });

const clustered = (fve) => fve.reduce((n, v) => n + (v > 0.85), 0);

function legend(section, id, words, ...more) {
  section.querySelector(`#${id} .legend`).replaceChildren(html("span", "", words), ...more);
}

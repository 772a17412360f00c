// What all figures over the steps share: axes, phases, the pointer, and the line at the step that is shown.

import { count } from "./format.js";
import { stepTicks } from "./scales.js";
import { svg } from "./svg.js";

const STRIP = 24;
const ABOVE = 16;

export class Frame {
  // options: height, strip (whether the phases are named above), unit (of the vertical axis), unnamed (the step axis)
  constructor(host, time, phases, options) {
    this.time = time;
    this.phases = phases;
    this.options = options;
    this.width = Math.max(host.clientWidth, 200);
    this.left = 50;
    this.ticks = [];
    this.right = this.width - 14;
    this.bottom = options.height - (options.unnamed ? 26 : 42);
    this.names = options.strip ? phases.map((phase) => this.nameOf(phase)) : [];
    // Names that their phase is too narrow for stand above it.
    this.strip = this.names.some((name) => name.above) ? ABOVE : 0;
    this.top = (options.strip ? this.strip + STRIP : 0) + 20;
    this.root = svg("svg", { width: this.width, height: options.height, "aria-hidden": "true" });
    this.below = svg("g");
    this.over = svg("g", { class: "over" });
    this.root.append(this.below, this.over);
    host.replaceChildren(this.root);
    this.drawPhases();
    this.drawSteps();
    listen(this.root, this);
  }

  x(step) {
    return this.left + this.time.share(step) * (this.right - this.left);
  }

  nameOf(phase) {
    const width = this.x(phase.end) - this.x(phase.start);
    const words = [phase.title, phase.title.split(/[ ,]/)[0]].find((t) => width > 6.9 * t.length + 8);
    return words ? { words } : { words: phase.title, above: true };
  }

  // Names above the strip: from each side towards the middle, beside those that are there already.
  placesAbove() {
    const ends = [];
    const all = this.phases.map((phase, i) => ({ i, from: this.x(phase.start), to: this.x(phase.end) }));
    const above = all.filter(({ i }) => this.names[i].above);
    const room = (i) => 6.9 * this.names[i].words.length + 10;
    const late = ({ from }) => from > this.width / 2;
    let left = 0;
    for (const { i, from } of above.filter((one) => !late(one))) {
      ends[i] = [Math.max(from, left), "start"];
      left = ends[i][0] + room(i);
    }
    let right = this.width;
    for (const { i, to } of above.filter(late).reverse()) {
      ends[i] = [Math.min(to, right), "end"];
      right = ends[i][0] - room(i);
    }
    return ends;
  }

  drawPhases() {
    const ends = this.options.strip ? this.placesAbove() : [];
    this.phases.forEach((phase, i) => {
      const from = this.x(phase.start);
      const width = this.x(phase.end) - from;
      const shape = { x: from, width, class: `phase ${phase.name}` };
      this.below.append(svg("rect", { ...shape, y: this.top, height: this.bottom - this.top }));
      if (!this.options.strip) return;
      const { words, above } = this.names[i];
      this.below.append(svg("rect", { ...shape, y: this.strip, height: STRIP - 2, class: `phase name ${phase.name}` }));
      const [x, anchor] = above ? ends[i] : [from + width / 2, "middle"];
      this.below.append(text(words, x, above ? 12 : this.strip + STRIP - 8, anchor, "phase-name"));
    });
  }

  drawSteps() {
    for (const { label, x } of stepTicks(this.time, this.left, this.right)) {
      this.below.append(svg("line", { x1: x, x2: x, y1: this.bottom, y2: this.bottom + 4, class: "axis" }));
      const words = text(label, x, this.bottom + 17, "middle", "tick");
      this.below.append(words);
      this.ticks.push({ x, half: 3.7 * label.length, words });
    }
    const how = this.time.axis === "log" ? "training step, placed at log(1 + step)" : "training step";
    this.below.append(svg("line", { x1: this.left, x2: this.right, y1: this.bottom, y2: this.bottom, class: "axis" }));
    if (!this.options.unnamed) this.below.append(text(how, this.right, this.bottom + 35, "end", "axis-name"));
  }

  drawValues(scale) {
    for (const [value, label] of scale.ticks) {
      const y = scale.at(value);
      this.below.append(svg("line", { x1: this.left, x2: this.right, y1: y, y2: y, class: "grid" }));
      this.below.append(text(label, this.left - 7, y + 4, "end", "tick"));
    }
    this.below.append(text(this.options.unit, 2, this.top - 8, "start", "axis-name"));
  }

  drawEventLines(events) {
    for (const event of events) {
      const x = this.x(event.step);
      this.below.append(svg("line", { x1: x, x2: x, y1: this.top, y2: this.bottom, class: "event-line" }));
      // where a fork left its parent no curve crosses a threshold that could carry the name
      if (event.name === "forked") this.below.append(text("fork", x + 5, this.top + 12, "start", "event-name"));
    }
  }

  // The lines at the chosen and at the pointed step; `extra` are marks of the figure's own.
  drawMoment(...extra) {
    const { time } = this;
    const chosen = this.x(time.steps[time.row]);
    const marks = [svg("line", { x1: chosen, x2: chosen, y1: this.top, y2: this.bottom, class: "chosen" })];
    if (time.hovered !== null) {
      const x = this.x(time.step);
      marks.push(svg("line", { x1: x, x2: x, y1: this.top, y2: this.bottom, class: "hovered" }));
    }
    const label = count(time.step);
    const half = 8 + 3.7 * label.length;
    const middle = Math.min(Math.max(this.x(time.step), half), this.width - half);
    // The flag takes the place of the ticks that it would cover.
    for (const t of this.ticks) t.words.classList.toggle("covered", Math.abs(t.x - middle) < half + t.half);
    marks.push(svg("rect", { x: middle - half, y: this.bottom + 4, width: 2 * half, height: 19, rx: 9.5, class: "flag" }));
    marks.push(text(label, middle, this.bottom + 18, "middle", "flag-text"));
    this.over.replaceChildren(...marks, ...extra);
  }
}

export function text(words, x, y, anchor, className) {
  return svg("text", { x, y, "text-anchor": anchor, class: className }, words);
}

// Pointing shows a step for as long as it lasts; pressing or dragging chooses it.
export function listen(element, frame) {
  const { time } = frame;
  const rowUnder = (event) => {
    const x = event.clientX - element.getBoundingClientRect().left;
    return time.rowOf((x - frame.left) / (frame.right - frame.left));
  };
  element.addEventListener("pointermove", (event) => {
    if (event.buttons & 1) time.choose(rowUnder(event));
    else time.hover(rowUnder(event));
  });
  element.addEventListener("pointerdown", (event) => {
    // The left button, a finger or a pen.
    if (event.button === 0) time.choose(rowUnder(event));
  });
  element.addEventListener("pointerleave", () => time.hover(null));
}

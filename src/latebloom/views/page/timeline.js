// The one step that every figure shows, and the axis that all of them share.

import { nearestRow } from "./data.js";

const PLACE = { log: Math.log1p, linear: (step) => step };
const STEP = { log: Math.expm1, linear: (place) => place };

export class Timeline {
  constructor(steps) {
    this.steps = steps;
    this.last = steps.length ? steps[steps.length - 1] : 0;
    this.row = steps.length - 1;
    this.hovered = null;
    this.axis = "log";
    this.movers = [];
    this.drawers = [];
    this.waiting = false;
  }

  // What is under the pointer goes before what was chosen.
  get shown() {
    return this.hovered ?? this.row;
  }

  get step() {
    return this.steps[this.shown];
  }

  // From 0 at step 0 to 1 at the last step.
  share(step) {
    const place = PLACE[this.axis];
    return this.last ? place(step) / place(this.last) : 0;
  }

  rowOf(share) {
    const place = PLACE[this.axis];
    const wanted = STEP[this.axis](Math.min(Math.max(share, 0), 1) * place(this.last));
    return nearestRow(this.steps, wanted, place);
  }

  choose(row) {
    this.row = Math.min(Math.max(row, 0), this.steps.length - 1);
    this.hovered = null;
    this.move();
  }

  hover(row) {
    if (row === this.hovered) return;
    this.hovered = row;
    this.move();
  }

  setAxis(axis) {
    this.axis = axis;
    this.draw();
  }

  // Once a frame, however often the pointer moves.
  move() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      for (const mover of this.movers) mover();
    });
  }

  draw() {
    for (const drawer of this.drawers) drawer();
    for (const mover of this.movers) mover();
  }
}

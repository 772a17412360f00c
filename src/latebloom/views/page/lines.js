// Curves over the steps, with the events marked on the curve that their rule reads.

import { valueAt } from "./data.js";
import { count, value } from "./format.js";
import { Frame, text } from "./frame.js";
import { evenScale, powerScale, shareScale } from "./scales.js";
import { html, sample, svg, through } from "./svg.js";

export function lineFigure(element, figure, data, time) {
  const host = element.querySelector(".plot");
  const outputs = legend(element.querySelector(".legend"), figure.lines);
  let frame = null;
  let scale = null;
  const drawable = (v) => v !== null && !Number.isNaN(v) && (figure.scale !== "log" || v > 0);

  // The main figures stand on one axis: the first names the phases, the last names the axis.
  const tall = data.figures.filter((other) => other.tall);
  const placed = { strip: figure === tall[0], unnamed: figure.tall && figure !== tall.at(-1) };
  const height = placed.strip ? 270 : figure.tall ? 235 : 260;

  const draw = () => {
    frame = new Frame(host, time, data.phases, { height, ...placed, unit: figure.unit });
    scale = scaleOf(figure, data, drawable, frame);
    frame.drawValues(scale);
    // The first curve lies on top: where train and test meet, both are seen through the dashes.
    for (const line of figure.lines.toReversed()) {
      const taken = data.curves[line.name].map((v, i) => [time.steps[i], v]).filter(([, v]) => !Number.isNaN(v));
      const points = taken.map(([step, v]) => (drawable(v) ? [frame.x(step), scale.at(v)] : null));
      frame.below.append(svg("path", { class: `line ${line.role}`, d: through(points) }));
      // A line through few numbers would look like many.
      const few = points.length <= 40 && points.length < time.steps.length / 2;
      for (const point of few ? points : []) {
        if (point) frame.below.append(svg("circle", { class: `dot ${line.role}`, cx: point[0], cy: point[1], r: 2.5 }));
      }
    }
    drawChanges(frame, data.changes[figure.parts] ?? []);
    drawEvents(frame, scale, figure, data);
  };
  const move = () => {
    const dots = [];
    figure.lines.forEach((line, i) => {
      const v = valueAt(data.curves[line.name], time.shown);
      outputs[i].textContent = value(v);
      if (drawable(v)) dots.push(svg("circle", { cx: frame.x(time.step), cy: scale.at(v), r: 4, class: `dot ${line.role}` }));
    });
    frame.drawMoment(...dots);
  };
  return { draw, move };
}

export function legend(host, lines) {
  const outputs = lines.map(() => html("output"));
  host.replaceChildren(...lines.map((line, i) => html("span", "entry", sample(line.role), line.label, outputs[i])));
  return outputs;
}

function scaleOf(figure, data, drawable, frame) {
  if (figure.scale === "share") return shareScale(frame.bottom, frame.top);
  let low = Infinity;
  let high = -Infinity;
  for (const line of figure.lines) {
    for (const v of data.curves[line.name]) {
      if (!drawable(v)) continue;
      low = Math.min(low, v);
      high = Math.max(high, v);
    }
  }
  if (low > high) [low, high] = [figure.scale === "log" ? 0.1 : 0, 1];
  return (figure.scale === "log" ? powerScale : evenScale)(low, high, frame.bottom, frame.top);
}

// Where the parts of the circuit that the curves are taken of were not the same at two takings in a row.
function drawChanges(frame, changes) {
  for (const [start, end, words] of changes) {
    const x = frame.x(start);
    const shape = { x, y: frame.bottom - 6, width: Math.max(frame.x(end) - x, 2), height: 6, class: "change" };
    frame.below.append(svg("rect", shape, svg("title", {}, `steps ${count(start)} to ${count(end)}: ${words}`)));
  }
}

// The rule's threshold is met at the dot; the bar is the interval in which that happened.
function drawEvents(frame, scale, figure, data) {
  let taken = [];
  frame.drawEventLines(data.events);
  for (const event of data.events) {
    const x = frame.x(event.step);
    if (!figure.lines.some((line) => line.name === event.measure)) continue;
    const y = scale.at(event.threshold);
    const from = frame.x(event.interval ? event.interval[0] : event.step);
    frame.below.append(svg("path", { class: "interval", d: `M${from} ${y - 5}v10M${from} ${y}H${x}M${x} ${y - 5}v10` }));
    frame.below.append(svg("circle", { cx: x, cy: y, r: 4.5, class: `event ${event.name}` }));
    taken = label(frame, `${event.title.toLowerCase()} ≥ ${event.threshold}`, x, y, taken);
  }
}

// Beside the dot where there is room, below another label where there is none.
function label(frame, words, x, y, taken) {
  const width = 7 * words.length + 10;
  const rightwards = x + width < frame.right;
  const [from, to] = rightwards ? [x, x + width] : [x - width, x];
  let at = y + 18;
  while (taken.some((other) => from < other.to && other.from < to && Math.abs(other.at - at) < 16)) at += 16;
  frame.below.append(text(words, rightwards ? x + 8 : x - 8, at, rightwards ? "start" : "end", "event-name"));
  return [...taken, { from, to, at }];
}

// Elements, made in one line.

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export function html(name, className = "", ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

// Points that a line is drawn through: one through fewer would show a course that nobody measured.
const JOINED = 4;

export const joined = (points) => points.filter(Boolean).length >= JOINED;

// A path through points; a missing one lifts the pen, and so does each of too few.
export function through(points) {
  if (!joined(points)) return points.filter(Boolean).map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0.01`).join("");
  let path = "";
  let down = false;
  for (const point of points) {
    if (point) path += `${down ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
    // A point without neighbours is drawn by its round cap.
    else if (down) path += "h0.01";
    down = Boolean(point);
  }
  return points.length && down ? path + "h0.01" : path;
}

export function sample(className) {
  return svg("svg", { class: "sample", width: 26, height: 10, "aria-hidden": "true" },
    svg("path", { class: `line ${className}`, d: "M1 5H25" }));
}

// What the page carries, decoded.

export function readData(element) {
  const data = JSON.parse(element.textContent);
  for (const array of Object.values(data.arrays)) decodeLate(array);
  // In the page, false is a row at which a number was not taken (curves go on to the next), null one that is not finite.
  for (const [name, curve] of Object.entries(data.curves)) data.curves[name] = curve.map((v) => (v === false ? NaN : v));
  return data;
}

// What a curve shows at a row: its own number, or the last one that was taken before.
export function valueAt(curve, row) {
  let at = row;
  while (at > 0 && Number.isNaN(curve[at])) at--;
  return Number.isNaN(curve[at]) ? null : curve[at];
}

// Decoded when the first figure asks: those out of sight are not what a page waits for.
function decodeLate(array) {
  let values = null;
  Object.defineProperty(array, "values", { enumerable: true, get: () => (values ??= floats(array.data)) });
}

export function floats(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

// The row of an array in force at a step: the last one at or before it, else the first.
export function rowAt(steps, step) {
  let low = 0;
  let high = steps.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (steps[middle] <= step) low = middle;
    else high = middle - 1;
  }
  return low;
}

// The row nearest to a place on the axis.
export function nearestRow(steps, wanted, place) {
  const low = rowAt(steps, wanted);
  const next = Math.min(low + 1, steps.length - 1);
  return place(steps[next]) - place(wanted) < place(wanted) - place(steps[low]) ? next : low;
}
